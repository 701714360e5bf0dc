// SPDX-License-Identifier: Apache-2.0
#include "cli/job.hpp"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>

#include "cli/console.hpp"
#include "firecaffe/comm/rendezvous/join.hpp"
#include "firecaffe/comm/rendezvous/token.hpp"
#include "firecaffe/config/config.hpp"
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

/// join_tcp, but a signal to stop ends it.
std::shared_ptr<comm::Transport> join_or_stop(const comm::JoinOptions& join) {
    struct Joining {
        Joining() { joining = 1; }
        ~Joining() { joining = 0; }
    } const scope;
    if (stop_signal != 0) throw PreemptedError("stopped as asked before all workers had met; start again");
    return comm::join_tcp(join);
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

std::shared_ptr<comm::Transport> join_job(const LaunchInfo& launch, const TrainOptions& options) {
    if (launch.size == 1) return nullptr;
    prepare_rendezvous(launch, read_process_facts());
    comm::JoinOptions join;
    join.rank = launch.rank;
    join.size = launch.size;
    join.address = launch.rendezvous;
    join.listen_fd = launch.listen_fd.value_or(-1);
    join.token = read_token(launch.token);
    join.job = options.name;
    TrainOptions shared = options;  // the number of shards must be equal, even where it follows from the threads
    if (shared.solver.shards == 0) shared.solver.shards = launch.size * options.compute.threads;
    join.config = shared_config(shared);
    join.build = kVersion;
    join.rendezvous_seconds = launch.rendezvous_seconds;
    join.deadline_seconds = options.reducer.deadline_seconds;
    join.stall_seconds = options.reducer.stall_seconds;
    join.explain_difference = explain_difference;
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
