// SPDX-License-Identifier: Apache-2.0
// Which rank of which job is this process? Launchers say so in environment variables, each in its own; this is the one
// place that knows them. A pure function of a map, so that tests can play every launcher.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace firecaffe::cli {

using Environment = std::map<std::string, std::string>;

/// The environment of this process; the only place of the program that reads it for launchers.
Environment read_environment();

/// What a name for a meeting place on this host is made of, where the launcher gives none.
struct ProcessFacts {
    unsigned user = 0;                    ///< effective user id
    int parent = 0;                       ///< process id of the parent
    unsigned long long parent_start = 0;  ///< start time of the parent in clock ticks; tells reused ids apart
};

ProcessFacts read_process_facts();

/// Where the job's token is to be read from; the token itself is not here, so that this struct may be printed.
struct TokenSource {
    enum class Kind { none, descriptor, file, environment };
    Kind kind = Kind::none;
    std::string value;  ///< number of the descriptor, path of the file, or name of the variable (hexadecimal text)
};

/// A rendezvous: the ranks know each other through MPI, and all that they exchange goes that way.
inline constexpr const char* kThroughMpi = "mpi://";

struct LaunchInfo {
    int rank = 0;
    int size = 1;
    int local_rank = 0;               ///< among the ranks of this host
    int local_size = 1;               ///< 1 where the launcher does not tell
    std::vector<std::string> hosts;   ///< in the launcher's order; empty where it does not tell
    std::string rendezvous;           ///< "tcp://host:port", "file:///path" or kThroughMpi; may be empty if size == 1
    std::optional<int> listen_fd;     ///< rank 0: an inherited socket that already listens at `rendezvous`
    double rendezvous_seconds = 120;  ///< until all ranks must have joined
    TokenSource token;
    std::string source;  ///< for people: "torchrun (RANK, WORLD_SIZE)"
};

/// Looks for the families of variables in this order, and takes the first that has rank and size: FIRECAFFE_*,
/// torchrun, Open MPI, MPICH (Hydra), MVAPICH2, PMIx, Slurm (a step, not the batch script), Kubernetes indexed jobs.
/// PMIx and Kubernetes do not state a size and need FIRECAFFE_WORLD_SIZE. Rank and size always come from one family;
/// FIRECAFFE_RENDEZVOUS, FIRECAFFE_RENDEZVOUS_SECONDS and FIRECAFFE_TOKEN_FD, _TOKEN_FILE or _TOKEN (in this order)
/// serve every family.
///
/// Ranks of an MPI on several hosts meet through it unless FIRECAFFE_RENDEZVOUS says where.
///
/// Nothing: this process was started by hand. Throws UsageError, naming variables and values, for a number that is
/// none, a rank outside of the size, half a set of ours, a node list that cannot be read, or more than one rank and no
/// way to meet.
std::optional<LaunchInfo> find_launch(const Environment& environment, const ProcessFacts& facts);

/// Makes the private directory of a rendezvous that find_launch chose under ${XDG_RUNTIME_DIR:-/tmp}; does nothing for
/// others. Throws UnavailableError if it is not ours alone (another user made it, or others may write into it).
void prepare_rendezvous(const LaunchInfo& info, const ProcessFacts& facts);

}  // namespace firecaffe::cli
