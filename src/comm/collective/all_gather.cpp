// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/all_gather.hpp"

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

Plan plan_all_gather(int ranks, int shards) {
    if (ranks < 1 || shards < 1)
        throw UsageError("plan_all_gather: ", ranks, " ranks and ", shards, " shards; give at least 1 of each");
    Plan plan;
    plan.scheme = "all_gather";
    plan.ranks = ranks;
    plan.inputs.assign(static_cast<std::size_t>(ranks), 1);
    plan.steps.resize(static_cast<std::size_t>(ranks));
    plan.rounds = ranks - 1;
    // Where all blocks are of one size, a block is a part, and goes as one message.
    plan.parts = shards % ranks == 0 ? ranks : shards;
    for (Rank rank = 0; rank < ranks; ++rank) {
        std::vector<Step>& steps = plan.steps[static_cast<std::size_t>(rank)];
        const auto move = [&](Step::Kind kind, Rank peer, Rank owner, int round) {
            const ShardBlock block = shard_block(owner, ranks, plan.parts);
            for (int part = block.begin; part < block.end; ++part)
                steps.push_back({.kind = kind, .peer = peer, .round = round, .part = part, .parts = plan.parts});
        };
        for (int t = 1; t < ranks; ++t) {
            const Rank to = (rank + t) % ranks, from = (rank - t + ranks) % ranks;
            move(Step::Kind::send, to, rank, t - 1);
            move(Step::Kind::receive, from, from, t - 1);
        }
    }
    return plan;
}

}  // namespace firecaffe::comm
