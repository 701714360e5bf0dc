// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/tree.hpp"

#include <vector>

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {
namespace {

// Where the value of a node lies. It is known by the node's leftmost shard, because a node is formed in the slot of its
// left child.
struct Place {
    Rank rank = -1;
    int slot = -1;
};

std::vector<Place> place_inputs(const Plan& plan, int shards) {
    std::vector<Place> places(static_cast<std::size_t>(shards));
    for (Rank rank = 0; rank < plan.ranks; ++rank) {
        const ShardBlock block = shard_block(rank, plan.ranks, shards);
        for (int s = block.begin; s < block.end; ++s) places[static_cast<std::size_t>(s)].rank = rank;
        int slot = 0;
        for (const ShardNode& node : maximal_nodes(block, shards)) {
            places[static_cast<std::size_t>(node.begin())].slot = slot++;
        }
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
            write(plan,
                  {.from = right.rank,
                   .to = left.rank,
                   .kind = Step::Kind::receive_add,
                   .from_slot = right.slot,
                   .to_slot = left.slot},
                  plan.rounds);
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
            write(plan, {.from = sender, .to = receiver}, plan.rounds);
        }
    }
}

}  // namespace

Plan plan_tree(int ranks, int shards) {
    Plan plan = plan_inputs("tree", ranks, shards);
    plan.canonical = true;
    const std::vector<Place> places = place_inputs(plan, shards);
    plan_up(plan, places, shards);
    plan_down(plan, places.front().rank);
    return plan;
}

}  // namespace firecaffe::comm
