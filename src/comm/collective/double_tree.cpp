// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/double_tree.hpp"

#include <algorithm>
#include <vector>

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {
namespace {

// A message up the tree, and the round in which it goes.
struct Hop {
    int child = 0, parent = 0;
    int round = 0;
};

// Clearing the lowest one of a position gives its nearest ancestor to the left. The parent is that ancestor or the one
// to the right, whichever is lower in the tree; where the right one does not exist, nothing lies in between.
int parent_of(int position, int ranks) {
    const int lowest = position & -position;
    const int left = position - lowest;
    const int right = position + lowest;
    return (left & lowest << 1) != 0 || right >= ranks ? left : right;
}

// All hops into the subtree of `position`, children before parents. Returns the round from which the position may send.
int plan_hops(int position, int ranks, std::vector<Hop>& hops) {
    std::vector<Hop> children;
    for (int child = 1; child < ranks; ++child) {
        if (parent_of(child, ranks) == position) children.push_back({child, position, plan_hops(child, ranks, hops)});
    }
    std::ranges::stable_sort(children, {}, &Hop::round);
    int ready = 0;
    for (Hop& hop : children) {
        hop.round = std::max(hop.round, ready);
        ready = hop.round + 1;
        hops.push_back(hop);
    }
    return ready;
}

// Messages of a round are written tree by tree; within a tree each rank has one of them at most.
void write_hops(Plan& plan, const std::vector<Hop>& hops, int tree, int rounds) {
    const auto rank_of = [&](int position) {
        if (tree == 0) return position;
        return plan.ranks % 2 == 0 ? plan.ranks - 1 - position : (position + 1) % plan.ranks;
    };
    for (const Hop& hop : hops) {
        if (plan.rounds == hop.round) {
            write(plan,
                  {.from = rank_of(hop.child),
                   .to = rank_of(hop.parent),
                   .kind = Step::Kind::receive_add,
                   .part = {tree, 2}},
                  plan.rounds);
        } else if (plan.rounds == 2 * rounds - 1 - hop.round) {
            write(plan, {.from = rank_of(hop.parent), .to = rank_of(hop.child), .part = {tree, 2}}, plan.rounds);
        }
    }
}

}  // namespace

Plan plan_double_tree(int ranks, int shards) {
    Plan plan = plan_inputs("double_tree", ranks, shards);
    if (ranks == 1) return plan;
    plan.canonical = ranks == 2 && plan.inputs == std::vector<int>{1, 1};
    plan.parts = 2;
    write_own_sums(plan);
    std::vector<Hop> hops;
    const int rounds = plan_hops(0, ranks, hops);
    for (; plan.rounds < 2 * rounds; ++plan.rounds) {
        for (const int tree : {0, 1}) write_hops(plan, hops, tree, rounds);
    }
    return plan;
}

}  // namespace firecaffe::comm
