// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/planning.hpp"

#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

Plan plan_inputs(std::string scheme, int ranks, int shards) {
    if (ranks < 1 || shards < 1) {
        throw UsageError("plan '", scheme, "': ", ranks, " ranks and ", shards, " shards; give at least one of each");
    }
    Plan plan;
    plan.scheme = std::move(scheme);
    plan.ranks = ranks;
    plan.canonical = ranks == 1;
    plan.steps.resize(static_cast<std::size_t>(ranks));
    for (Rank rank = 0; rank < ranks; ++rank)
        plan.inputs.push_back(static_cast<int>(maximal_nodes(shard_block(rank, ranks, shards), shards).size()));
    return plan;
}

void write(Plan& plan, const Message& m, int round) {
    const auto [part, parts] = std::pair(m.part.part, m.part.parts);
    steps_of(plan, m.from)
        .push_back({.kind = Step::Kind::send,
                    .peer = m.to,
                    .slot = m.from_slot,
                    .round = round,
                    .part = part,
                    .parts = parts});
    steps_of(plan, m.to)
        .push_back({.kind = m.kind, .peer = m.from, .slot = m.to_slot, .round = round, .part = part, .parts = parts});
}

void write_own_sums(Plan& plan) {
    for (Rank rank = 0; rank < plan.ranks; ++rank) {
        if (inputs_of(plan, rank) == 0) steps_of(plan, rank).push_back({.kind = Step::Kind::clear});
        for (int slot = 1; slot < inputs_of(plan, rank); ++slot)
            steps_of(plan, rank).push_back({.kind = Step::Kind::add, .slot = 0, .other = slot});
    }
}

bool is_node(const ShardBlock& block, int shards) {
    return maximal_nodes(block, shards).size() == 1;
}

}  // namespace firecaffe::comm
