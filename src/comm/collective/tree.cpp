// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/tree.hpp"

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

// Where the value of a node lies. It is known by the node's leftmost shard, because a node is formed in the slot of its
// left child.
struct Place {
    Rank rank = -1;
    int slot = -1;
};

std::vector<Step>& steps_of(Plan& plan, Rank rank) {
    return plan.steps[static_cast<std::size_t>(rank)];
}

std::vector<Place> place_inputs(Plan& plan, int shards) {
    std::vector<Place> places(static_cast<std::size_t>(shards));
    for (Rank rank = 0; rank < plan.ranks; ++rank) {
        const ShardBlock block = shard_block(rank, plan.ranks, shards);
        for (int s = block.begin; s < block.end; ++s) places[static_cast<std::size_t>(s)].rank = rank;
        int slot = 0;
        for (const ShardNode& node : maximal_nodes(block, shards)) {
            places[static_cast<std::size_t>(node.begin())].slot = slot++;
        }
        plan.inputs[static_cast<std::size_t>(rank)] = slot;
    }
    return places;
}

// One level of the tree is one round, if anything happens at that level.
void plan_up(Plan& plan, const std::vector<Place>& places, int shards) {
    const int top = shard_root(shards).level;
    for (int level = 1; level <= top; ++level) {
        bool busy = false;
        for (int index = 0; ShardNode{level, index}.begin() < shards; ++index) {
            const ShardNode node{level, index};
            const ShardNode right_child{level - 1, 2 * index + 1};
            if (right_child.begin() >= shards) continue;  // nothing to add
            const Place left = places[static_cast<std::size_t>(node.begin())];
            const Place right = places[static_cast<std::size_t>(right_child.begin())];
            if (left.rank == places[static_cast<std::size_t>(node.end(shards) - 1)].rank)
                continue;  // formed by its owner
            busy = true;
            if (left.rank == right.rank) {
                steps_of(plan, left.rank)
                    .push_back({.kind = Step::Kind::add, .slot = left.slot, .other = right.slot, .round = plan.rounds});
                continue;
            }
            steps_of(plan, right.rank)
                .push_back({.kind = Step::Kind::send, .peer = left.rank, .slot = right.slot, .round = plan.rounds});
            steps_of(plan, left.rank)
                .push_back(
                    {.kind = Step::Kind::receive_add, .peer = right.rank, .slot = left.slot, .round = plan.rounds});
        }
        if (busy) ++plan.rounds;
    }
}

// The mirror image of a binomial reduction to `root`, over the ranks' distances from it.
void plan_down(Plan& plan, Rank root) {
    int distance = 1;
    while (distance < plan.ranks) distance *= 2;
    for (distance /= 2; distance > 0; distance /= 2, ++plan.rounds) {
        for (int from = 0; from + distance < plan.ranks; from += 2 * distance) {
            const Rank sender = (root + from) % plan.ranks;
            const Rank receiver = (root + from + distance) % plan.ranks;
            steps_of(plan, sender).push_back({.kind = Step::Kind::send, .peer = receiver, .round = plan.rounds});
            steps_of(plan, receiver).push_back({.kind = Step::Kind::receive, .peer = sender, .round = plan.rounds});
        }
    }
}

}  // namespace

Plan plan_tree(int ranks, int shards) {
    if (ranks < 1 || shards < 1) {
        throw UsageError("plan_tree: ", ranks, " ranks and ", shards, " shards; give at least one of each");
    }
    Plan plan;
    plan.scheme = "tree";
    plan.ranks = ranks;
    plan.canonical = true;
    plan.inputs.resize(static_cast<std::size_t>(ranks));
    plan.steps.resize(static_cast<std::size_t>(ranks));
    const std::vector<Place> places = place_inputs(plan, shards);
    plan_up(plan, places, shards);
    plan_down(plan, places.front().rank);
    return plan;
}

}  // namespace firecaffe::comm
