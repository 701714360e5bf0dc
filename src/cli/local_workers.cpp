// SPDX-License-Identifier: Apache-2.0
#include "cli/local_workers.hpp"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <utility>

#include "cli/core_shares.hpp"
#include "cli/worker_process.hpp"
#include "firecaffe/comm/rendezvous/join.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kForwarded = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGTSTP};

/// Blocks the signals that the launcher waits for, and gives SIGCHLD its plain meaning; undoes both.
class SignalScope {
  public:
    SignalScope() {
        sigemptyset(&waited_);
        sigaddset(&waited_, SIGCHLD);
        for (const int signal : kForwarded) {
            struct sigaction current {};
            ::sigaction(signal, nullptr, &current);
            // Who started us with a signal ignored (nohup, a shell's background job) wants it ignored.
            if (current.sa_handler != SIG_IGN) sigaddset(&waited_, signal);
        }
        struct sigaction plain {};
        plain.sa_handler = SIG_DFL;
        plain.sa_flags = SA_NOCLDSTOP;
        ::sigaction(SIGCHLD, &plain, &old_child_action_);
        ::sigprocmask(SIG_BLOCK, &waited_, &old_mask_);
    }
    ~SignalScope() {
        ::sigaction(SIGCHLD, &old_child_action_, nullptr);
        ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    }
    SignalScope(const SignalScope&) = delete;
    SignalScope& operator=(const SignalScope&) = delete;

    /// The next signal, if one comes before `until`.
    std::optional<siginfo_t> wait(Clock::time_point until) const {
        const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - Clock::now()));
        const timespec timeout{static_cast<time_t>(left.count() / 1'000'000'000),
                               static_cast<long>(left.count() % 1'000'000'000)};
        siginfo_t info{};
        if (::sigtimedwait(&waited_, &info, &timeout) < 0) return std::nullopt;
        return info;
    }

    const sigset_t& old_mask() const { return old_mask_; }

  private:
    sigset_t waited_, old_mask_;
    struct sigaction old_child_action_ {};
};

struct Worker {
    pid_t pid = -1;
    bool running = false;
};

/// How a worker ended.
struct End {
    int rank;
    pid_t pid;
    bool by_signal;
    int code;  ///< signal or exit status

    int status() const { return by_signal ? 128 + code : code; }
    std::string message() const {
        const std::string who = text("rank ", rank, " (pid ", pid, ") ");
        return by_signal ? text(who, "was killed by signal ", code, " (", ::strsignal(code), ")")
                         : text(who, "exited with status ", code);
    }
};

/// The workers, none of which outlives this object.
class Crew {
  public:
    explicit Crew(int size) { workers_.reserve(static_cast<std::size_t>(size)); }
    ~Crew() {
        signal_all(SIGKILL);
        for (std::size_t i = 0; i < workers_.size(); ++i)
            if (workers_[i].running) collect(i, 0);
    }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    /// Does not throw for up to `size` workers.
    void add(pid_t pid) { workers_.push_back({pid, true}); }
    bool any_running() const {
        return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.running; });
    }

    /// Not reaped yet, so their numbers are still theirs.
    void signal_all(int signal) const {
        for (const Worker& worker : workers_)
            if (worker.running) ::kill(-worker.pid, signal);
    }

    /// Those that have ended since the last call.
    std::vector<End> collect_ended() {
        std::vector<End> ended;
        for (std::size_t i = 0; i < workers_.size(); ++i)
            if (workers_[i].running)
                if (const std::optional<End> end = collect(i, WNOHANG)) ended.push_back(*end);
        return ended;
    }

    /// "rank 1 (pid 4711, stopped), ..."
    std::string who_is_running() const {
        std::string out;
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (!workers_[i].running) continue;
            std::ifstream in(text("/proc/", workers_[i].pid, "/stat"));
            std::string stat;
            std::getline(in, stat);
            const std::size_t name_end = stat.rfind(')');
            const bool stopped = name_end != std::string::npos && stat.substr(name_end, 3) == ") T";
            out += text(out.empty() ? "" : ", ", "rank ", i, " (pid ", workers_[i].pid, stopped ? ", stopped)" : ")");
        }
        return out;
    }

  private:
    std::optional<End> collect(std::size_t i, int flags) {
        Worker& worker = workers_[i];
        siginfo_t info{};
        int result;
        do result = ::waitid(P_PID, static_cast<id_t>(worker.pid), &info, WEXITED | WNOWAIT | flags);
        while (result != 0 && errno == EINTR);
        if (result == 0 && info.si_pid == 0) return std::nullopt;
        if (result != 0) {  // somebody else has reaped it, so its number means nothing any more
            worker.running = false;
            return End{static_cast<int>(i), worker.pid, false, static_cast<int>(ExitStatus::internal)};
        }
        // The dead worker still holds its number, so this reaches its own children and nobody else.
        ::kill(-worker.pid, SIGKILL);
        ::waitid(P_PID, static_cast<id_t>(worker.pid), &info, WEXITED | WNOHANG);
        worker.running = false;
        return End{static_cast<int>(i), worker.pid, info.si_code != CLD_EXITED, info.si_status};
    }

    std::vector<Worker> workers_;
};

/// Watches a crew until nobody is left.
class Supervisor {
  public:
    Supervisor(const LocalWorkersOptions& options, Crew& crew, const SignalScope& signals)
        : options_(options), crew_(crew), signals_(signals) {}

    LocalWorkersResult run() {
        while (crew_.any_running()) {
            const auto info = signals_.wait(std::min(deadline_, Clock::now() + std::chrono::seconds(1)));
            if (info && info->si_signo != SIGCHLD) forward(info->si_signo);
            // Signals of children that end together merge into one, which tells of the first.
            note_ends(crew_.collect_ended(), info && info->si_signo == SIGCHLD ? info->si_pid : -1);
            if (Clock::now() >= deadline_) escalate();
        }
        return result_;
    }

  private:
    void say(const std::string& line) const {
        if (options_.report) options_.report(line);
    }

    void set_deadline(std::chrono::milliseconds from_now) { deadline_ = std::min(deadline_, Clock::now() + from_now); }

    void forward(int signal) {
        if (signal == SIGTSTP) {
            crew_.signal_all(SIGSTOP);
            ::raise(SIGSTOP);
            crew_.signal_all(SIGCONT);
            return;
        }
        if (signal == SIGINT && interrupted_) {
            say("interrupted again: killing the workers");
            crew_.signal_all(SIGKILL);
            return;
        }
        interrupted_ = interrupted_ || signal == SIGINT;
        crew_.signal_all(signal == SIGHUP ? SIGTERM : signal);
        if (signal != SIGUSR1) set_deadline(options_.shutdown_deadline);
    }

    void note_ends(const std::vector<End>& ends, pid_t told) {
        const End* first = nullptr;
        for (const End& end : ends) {
            if (end.status() == 0) continue;
            // Who lost a peer is rarely the cause, if another failed at the same time.
            const auto suspicion = [&](const End& e) {
                return e.pid == told ? 3 : e.by_signal ? 2 : e.code != static_cast<int>(ExitStatus::try_again) ? 1 : 0;
            };
            if (first == nullptr || suspicion(end) > suspicion(*first)) first = &end;
        }
        if (first == nullptr || result_.failed_rank >= 0) return;
        result_ = {first->status(), first->rank, first->pid, first->message()};
        if (options_.failure) options_.failure(result_);
        set_deadline(options_.leave_deadline);
    }

    void escalate() {
        if (!terminated_) {
            terminated_ = true;
            say(text("still there: ", crew_.who_is_running(), "; asking them to end (SIGTERM)"));
            crew_.signal_all(SIGTERM);
            deadline_ = Clock::now() + options_.terminate_deadline;
        } else {
            say(text("still there: ", crew_.who_is_running(), "; killing them"));
            crew_.signal_all(SIGKILL);
            deadline_ = Clock::time_point::max();
        }
    }

    const LocalWorkersOptions& options_;
    Crew& crew_;
    const SignalScope& signals_;
    LocalWorkersResult result_;
    Clock::time_point deadline_ = Clock::time_point::max();
    bool interrupted_ = false, terminated_ = false;
};

void report_start(const LocalWorkersOptions& options, const std::string& address,
                  const std::vector<std::vector<int>>& shares) {
    if (!options.report) return;
    std::string line = text(options.workers, " local workers meet at ", address);
    if (!options.pin)
        line += ", not pinned";
    else if (shares.empty())
        line += text(", not pinned: fewer than ", options.workers, " x ", options.threads_per_worker, " cores");
    for (std::size_t i = 0; i < shares.size(); ++i)
        line += text(i == 0 ? ", pinned to cores " : " | ", ranges_text(shares[i]));
    options.report(line);
}

/// The environment of one worker; a descriptor in it is one that the worker inherits.
Environment environment_of(const LocalWorkersOptions& options, int rank, const std::string& address, int token_fd,
                           int listen_fd) {
    Environment environment = options.environment;
    for (const char* name : {"FIRECAFFE_TOKEN", "FIRECAFFE_TOKEN_FILE", "FIRECAFFE_LISTEN_FD"}) environment.erase(name);
    environment["FIRECAFFE_RANK"] = environment["FIRECAFFE_LOCAL_RANK"] = std::to_string(rank);
    environment["FIRECAFFE_WORLD_SIZE"] = environment["FIRECAFFE_LOCAL_WORLD_SIZE"] = std::to_string(options.workers);
    environment["FIRECAFFE_RENDEZVOUS"] = address;
    environment["FIRECAFFE_TOKEN_FD"] = std::to_string(token_fd);
    if (listen_fd >= 0) environment["FIRECAFFE_LISTEN_FD"] = std::to_string(listen_fd);
    return environment;
}

}  // namespace

LocalWorkersResult run_local_workers(const LocalWorkersOptions& options) {
    if (options.workers < 1) throw UsageError("cannot start ", options.workers, " workers; ask for one or more");
    const SignalScope signals;
    Crew crew(options.workers);
    const comm::TcpListener meeting = comm::listen_tcp("127.0.0.1");
    OwnedFd listener(meeting.fd);
    std::array<std::byte, 32> token;
    secure_random(token);
    const std::string program = options.program.empty() ? own_program() : options.program;
    std::vector<std::vector<int>> shares;
    if (options.pin) shares = core_shares(allowed_processors(), options.workers, options.threads_per_worker);
    report_start(options, meeting.address, shares);

    for (int rank = 0; rank < options.workers; ++rank) {
        const OwnedFd token_fd = sealed_memory(token);
        WorkerStart start;
        start.program = program;
        start.arguments = options.arguments;
        start.environment =
            environment_of(options, rank, meeting.address, token_fd.get(), rank == 0 ? listener.get() : -1);
        start.inherited.push_back(token_fd.get());
        if (rank == 0) start.inherited.push_back(listener.get());
        if (!shares.empty()) start.processors = shares[static_cast<std::size_t>(rank)];
        start.signals = signals.old_mask();
        crew.add(start_worker(start));
        if (rank == 0) listener.reset();  // so that the port dies with rank 0
    }
    ::explicit_bzero(token.data(), token.size());
    return Supervisor(options, crew, signals).run();
}

}  // namespace firecaffe::cli
