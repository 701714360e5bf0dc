// SPDX-License-Identifier: Apache-2.0
// A command that several workers carry out together: this process as their launcher, or as one of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launch_environment.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/comm/transport/encryption.hpp"
#include "firecaffe/comm/transport/kind.hpp"

namespace firecaffe::cli {

/// The job in which a launcher has started this process; nothing: it was started by hand. Throws what find_launch
/// throws, and UsageError if `workers` (--workers) is more than 1 and not the size of the job.
std::optional<LaunchInfo> find_job(int workers);

/// MPI in this process, if there are several ranks and it is `wanted`, or they meet through it; null otherwise. Throws
/// what MpiSession throws, and UsageError for workers that this process would start itself, of which MPI does not know,
/// and for ranks that can meet in no other way where the program was built without MPI.
std::unique_ptr<comm::MpiSession> start_mpi(bool wanted, const std::optional<LaunchInfo>& launch, int workers);

/// Workers on this machine, each of which is this program with the same arguments.
struct LocalJob {
    int workers = 2;
    std::vector<std::string> arguments;  ///< of this program, with its name in front
    bool pin = true;                     ///< give each worker its share of the cores, if there are enough
    int threads = 1;                     ///< cores that a worker can use
    double deadline_seconds = 10.0;      ///< in which survivors find out that a worker is lost
    bool quiet = false;
    std::string cure;  ///< what to do if a worker was killed: "Start again"
};

/// Starts them, waits for them, says why they failed if they did; the exit status, which is 75 if one was killed.
int run_local_job(const LocalJob& job);

/// What the ranks of a job agree on before they begin, and how long they wait for each other.
struct JobTerms {
    std::string name;    ///< of the job
    std::string config;  ///< canonical text of what they are to do; equal on all ranks
    /// Words for the difference of two of these texts; may be empty.
    std::function<std::string(std::string_view mine, std::string_view theirs)> explain_difference{};
    double deadline_seconds = 10.0, stall_seconds = 120.0;  ///< as in comm::JoinOptions
    comm::TransportKind transport = comm::TransportKind::automatic;
    comm::Encryption encryption = comm::Encryption::none;
    double link_mbit = 0.0;  ///< as in ReducerOptions
};

/// Joins the job that `launch` describes; null for a job of one. Throws what join_tcp, join_mpi and token reading
/// throw.
std::shared_ptr<comm::Transport> join_job(const LaunchInfo& launch, const JobTerms& terms);

/// True once SIGINT, SIGTERM or SIGUSR1 has come, after catch_stop_signals(). A second signal ends the process, and so
/// does the first one inside of join_job: one line, exit status 75.
bool stop_was_requested() noexcept;
void catch_stop_signals();

}  // namespace firecaffe::cli
