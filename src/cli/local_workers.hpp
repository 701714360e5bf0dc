// SPDX-License-Identifier: Apache-2.0
// `firecaffe train --workers N`: N processes on this host, started, watched and never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cli/launch_environment.hpp"

namespace firecaffe::cli {

struct LocalWorkersResult {
    int status = 0;        ///< of the first rank that failed: exit status, or 128 + signal; 0 if none did
    int failed_rank = -1;  ///< -1: none
    pid_t failed_pid = -1;
    std::string message;  ///< one line about it, for example "rank 1 (pid 4711) was killed by signal 9 (Killed)"
};

struct LocalWorkersOptions {
    int workers = 2;
    std::vector<std::string> arguments;  ///< of each worker, with the program's name in front
    std::string program;                 ///< empty: the file of the running program
    Environment environment;             ///< of this process; FIRECAFFE_* is set on top for each worker

    bool pin = true;             ///< give each worker its share of the cores, if there are enough
    int threads_per_worker = 1;  ///< how many cores a worker can use

    std::chrono::milliseconds leave_deadline{10'000};     ///< after the first failure, for the others to leave
    std::chrono::milliseconds shutdown_deadline{60'000};  ///< after SIGINT, SIGTERM or SIGHUP, for all to leave
    std::chrono::milliseconds terminate_deadline{3'000};  ///< between our SIGTERM and our SIGKILL

    std::function<void(const std::string& line)> report;     ///< gets single lines for stderr; may be empty
    std::function<void(const LocalWorkersResult&)> failure;  ///< gets the result as soon as it is known not to be 0
};

/// Starts the workers and waits until all have ended. Each gets FIRECAFFE_RANK, FIRECAFFE_WORLD_SIZE,
/// FIRECAFFE_LOCAL_RANK, FIRECAFFE_LOCAL_WORLD_SIZE, FIRECAFFE_RENDEZVOUS and FIRECAFFE_TOKEN_FD (32 random bytes, the
/// same for all); rank 0 also FIRECAFFE_LISTEN_FD, a socket that listens at the rendezvous.
///
/// SIGINT, SIGTERM and SIGUSR1 are passed on to the workers, SIGHUP as SIGTERM; a second SIGINT kills them. SIGTSTP
/// stops and SIGCONT continues all. After a failure the others get `leave_deadline`, then SIGTERM, then SIGKILL; so a
/// worker that is stopped (SIGSTOP) is no failure by itself, but ends when the others have left. Workers run in process
/// groups of their own, and what is left of a group is killed when its worker has ended.
///
/// Call it from the main thread of a process that has no others: the kernel kills the workers when the calling thread
/// ends, however it ends. Signal mask and handlers are as before on return. Throws UsageError for fewer than one
/// worker and UnavailableError if one cannot be started; then none is left.
LocalWorkersResult run_local_workers(const LocalWorkersOptions& options);

}  // namespace firecaffe::cli
