// SPDX-License-Identifier: Apache-2.0
#include "cli/job.hpp"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>

#include "cli/console.hpp"
#include "cli/local_workers.hpp"
#include "firecaffe/comm/rendezvous/join.hpp"
#include "firecaffe/comm/rendezvous/token.hpp"
#include "firecaffe/comm/transport/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/version.hpp"

namespace firecaffe::cli {

namespace {

volatile sig_atomic_t stop_signal = 0;  // a signal handler can reach nothing else

volatile sig_atomic_t joining = 0;  // there is nothing to save yet, and the wait for others may be long

extern "C" void remember_signal(int signal) {
    stop_signal = signal;
    if (joining == 0) return;
    write_all(STDERR_FILENO, "firecaffe: error: stopped as asked before all workers had met; start again\n");
    ::_exit(static_cast<int>(ExitStatus::try_again));
}

/// join_tcp, or join_mpi, but a signal to stop ends it.
std::shared_ptr<comm::Transport> join_or_stop(const comm::JoinOptions& join) {
    struct Joining {
        Joining() { joining = 1; }
        ~Joining() { joining = 0; }
    } const scope;
    if (stop_signal != 0) throw PreemptedError("stopped as asked before all workers had met; start again");
    return join.address == kThroughMpi ? comm::join_mpi(join) : comm::join_tcp(join);
}

comm::Token read_token(const TokenSource& source) {
    switch (source.kind) {
        case TokenSource::Kind::none:
            return {};
        case TokenSource::Kind::descriptor: {
            int fd = -1;
            std::from_chars(source.value.data(), source.value.data() + source.value.size(), fd);
            return comm::token_from_descriptor(fd);
        }
        case TokenSource::Kind::file:
            return comm::token_from_file(source.value);
        case TokenSource::Kind::environment: {
            const char* hex = ::getenv(source.value.c_str());
            comm::Token token = comm::token_from_hex(hex == nullptr ? "" : hex);
            ::unsetenv(source.value.c_str());  // children and crash reports need not see it
            return token;
        }
    }
    return {};
}

}  // namespace

std::optional<LaunchInfo> find_job(int workers) {
    std::optional<LaunchInfo> launch = find_launch(read_environment(), read_process_facts());
    if (launch && workers > 1 && launch->size != workers)
        throw UsageError("--workers ", workers, " inside a job of ", launch->size, " ranks (", launch->source,
                         "); leave --workers out, the launcher decides");
    return launch;
}

std::unique_ptr<comm::MpiSession> start_mpi(bool wanted, const std::optional<LaunchInfo>& launch, int workers) {
    if ((launch ? launch->size : workers) == 1) return nullptr;
    const bool meet = launch && launch->rendezvous == kThroughMpi;
    if (meet && comm::mpi_version().empty())
        throw UsageError(
            launch->source, " states ", launch->size,
            " ranks that would meet through MPI, because no address is given, and this program was built without MPI; "
            "set "
            "FIRECAFFE_RENDEZVOUS=tcp://<host of rank 0>:<port> for all ranks, or build with -DFIRECAFFE_WITH_MPI=ON");
    if (!wanted && !meet) return nullptr;
    comm::require_mpi();
    if (!launch)
        throw UsageError("reducer 'mpi' with --workers ", workers,
                         ": MPI knows only ranks that its own launcher started; put 'mpirun -n ", workers,
                         "' before the command in place of --workers ", workers);
    return std::make_unique<comm::MpiSession>();
}

int run_local_job(const LocalJob& job) {
    LocalWorkersOptions workers;
    workers.workers = job.workers;
    workers.arguments = job.arguments;
    workers.environment = read_environment();
    workers.pin = job.pin;
    workers.threads_per_worker = job.threads;
    // Survivors find out by themselves within the deadline; a little more, so that their own words are heard.
    workers.leave_deadline = std::chrono::milliseconds(static_cast<long>(job.deadline_seconds * 1000) + 1000);
    workers.report = [&](const std::string& line) {
        if (!job.quiet) write_all(STDERR_FILENO, line + "\n");
    };
    workers.failure = [&](const LocalWorkersResult& failed) {
        const bool killed = failed.status > 128;  // a worker that was killed could not say anything
        write_all(STDERR_FILENO,
                  text("firecaffe: error: ", failed.message, "; ",
                       killed ? "the others stop. " + job.cure : "the workers' own messages say why", "\n"));
    };
    const LocalWorkersResult result = run_local_workers(workers);
    // A worker that was killed is a lost worker: start again.
    return result.status > 128 ? static_cast<int>(ExitStatus::try_again) : result.status;
}

std::shared_ptr<comm::Transport> join_job(const LaunchInfo& launch, const JobTerms& terms) {
    if (launch.size == 1) return nullptr;
    prepare_rendezvous(launch, read_process_facts());
    comm::JoinOptions join;
    join.rank = launch.rank;
    join.size = launch.size;
    join.address = launch.rendezvous;
    join.listen_fd = launch.listen_fd.value_or(-1);
    join.token = read_token(launch.token);
    join.job = terms.name;
    join.config = terms.config;
    join.build = kVersion;
    join.rendezvous_seconds = launch.rendezvous_seconds;
    join.transport = terms.transport;
    join.encryption = terms.encryption;
    join.bytes_per_second = terms.link_mbit * 1e6 / 8;
    join.deadline_seconds = terms.deadline_seconds;
    join.stall_seconds = terms.stall_seconds;
    join.explain_difference = terms.explain_difference;
    auto transport = join_or_stop(join);
    comm::wipe(join.token);
    return transport;
}

bool stop_was_requested() noexcept {
    return stop_signal != 0;
}

void catch_stop_signals() {
    struct sigaction action {};
    action.sa_handler = remember_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
    for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) ::sigaction(signal, &action, nullptr);
}

}  // namespace firecaffe::cli
