// SPDX-License-Identifier: Apache-2.0
// What the planners share.
#pragma once

#include <string>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// A plan without steps, in which each rank brings the maximal nodes of its block of shards. One rank is done with
/// that, and canonical. Throws UsageError unless there is at least one rank and one shard.
Plan plan_inputs(std::string scheme, int ranks, int shards);

inline std::vector<Step>& steps_of(Plan& plan, Rank rank) {
    return plan.steps[static_cast<std::size_t>(rank)];
}
inline int inputs_of(const Plan& plan, Rank rank) {
    return plan.inputs[static_cast<std::size_t>(rank)];
}

/// One message: `from` sends `part` of its slot, and `to` takes it as `kind` says. A planner that writes all messages
/// of a round in one sequence makes no deadlock: that sequence is an order in which they can be delivered one by one.
struct Message {
    Rank from = -1, to = -1;
    Step::Kind kind = Step::Kind::receive;
    Part part{};
    int from_slot = 0, to_slot = 0;
};
void write(Plan& plan, const Message& message, int round);

/// For schemes that keep no canonical order: each rank first makes one value of what it brings, in slot 0; its partial
/// sums added from left to right, or zeros if it has none.
void write_own_sums(Plan& plan);

/// Whether the block's sum is the value of one node of the canonical tree.
bool is_node(const ShardBlock& block, int shards);

}  // namespace firecaffe::comm
