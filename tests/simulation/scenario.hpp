// SPDX-License-Identifier: Apache-2.0
// Scenario: a job and what goes wrong in it, a pure function of a seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/simulation/stream.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"

namespace simulation {

using namespace firecaffe;
using namespace firecaffe::comm;

enum class FaultKind {
    // A job must get over these.
    none,
    slow,        ///< the victim computes for long, but for less than stall_seconds
    brief_stop,  ///< the victim's process is stopped, and goes on before it would be missed
    brief_hold,  ///< nothing arrives from the victim at `other` for a moment
    // These end it.
    killed,               ///< the victim's connections close, what was under way arrives
    killed_by_reset,      ///< what was under way is lost
    stopped,              ///< the victim's process stops and stays so
    stopped_and_gone_on,  ///< it goes on long after the others have left
    hung,                 ///< the victim's process lives, but its work stands still
    cut,                  ///< the data connection of victim and `other` is lost at some byte
    parted,               ///< nothing arrives any more between victim and `other`, until the system gives up
    parted_one_way,       ///< from the victim to `other` only
    isolated,             ///< between the victim and everybody
    changed_byte,         ///< in what the victim sends to `other`
    changed_control_byte,
    other_length,  ///< the victim submits a request of another length, bucket, type or place in the order
    other_bucket,
    other_type,
    other_order,
    gives_up,  ///< the victim aborts with a reason of its own
    leaves,    ///< the victim closes its transport one request early
};
inline constexpr int kFaultKinds = 21;

struct Fault {
    FaultKind kind = FaultKind::none;
    Rank victim = 0, other = 0;
    /// It happens when rank `witness` goes on for the `moment`-th time.
    Rank witness = 0;
    int moment = 0;
    double seconds = 0;  ///< how long it lasts, of those that end
    int bytes = 0;       ///< how far down the stream
    unsigned mask = 1;   ///< of a changed byte
};
std::string to_string(const Fault& fault);

/// One request that all ranks submit.
struct Request {
    std::size_t count = 0;
    DType dtype = DType::float32;
    WireType wire = WireType::same;
    OperationTag tag;

    ElementTypes types() const { return types_on_wire(dtype, wire); }
};

struct Scenario {
    std::uint64_t seed = 0;
    std::string scheme;  ///< with its options, for messages
    Plan plan;
    int shards = 1;
    ExecutorOptions executor;
    std::vector<Request> requests;
    double deadline_seconds = 10, stall_seconds = 120;
    std::vector<StreamOptions> links;          ///< [from * ranks + to]
    std::vector<double> seconds_per_addition;  ///< per rank, for each chunk
    std::vector<double> seconds_between;       ///< per rank, before each request
    std::vector<Fault> faults;                 ///< one; two now and then

    int ranks() const { return plan.ranks; }
};

Scenario make_scenario(std::uint64_t seed);

/// Several lines: everything about it.
std::string to_string(const Scenario& scenario);

}  // namespace simulation
