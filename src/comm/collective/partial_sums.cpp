// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/partial_sums.hpp"

#include <algorithm>

namespace firecaffe::comm {
namespace {

ShardNode sibling_of(const ShardNode& node) {
    return {node.level, node.index ^ 1};
}

}  // namespace

PartialSums::PartialSums(const Plan& plan, Rank rank, int shards, Part part)
    : rank_(rank), shards_(shards), part_(part) {
    int slot = 0;
    for (const ShardNode& node : maximal_nodes(shard_block(rank, plan.ranks, shards), shards))
        held_.push_back({node, slot++});
    if (held_.empty()) free_.push_back(0);
}

PartialSums PartialSums::only(Part part) const {
    PartialSums some = *this;
    some.part_ = part;
    return some;
}

void PartialSums::receive(Plan& plan, Rank from, const Held& theirs, int round) {
    Message message{.from = from, .to = rank_, .part = part_, .from_slot = theirs.slot};
    const std::size_t sibling = find(sibling_of(theirs.node));
    if (sibling == held_.size()) {
        message.to_slot = take_slot(plan);
        write(plan, message, round);
        const auto place =
            std::ranges::upper_bound(held_, theirs.node.begin(), {}, [](const Held& h) { return h.node.begin(); });
        held_.insert(place, {theirs.node, message.to_slot});
        return;
    }
    message.kind = Step::Kind::receive_add;
    message.to_slot = held_[sibling].slot;
    write(plan, message, round);
    held_[sibling].node = parent_of(theirs.node);
    join_siblings(plan, held_[sibling].node, round);
}

std::size_t PartialSums::find(const ShardNode& node) const {
    return static_cast<std::size_t>(std::ranges::find(held_, node, &Held::node) - held_.begin());
}

// As maximal_nodes names it: a node without a right sibling counts as its parent.
ShardNode PartialSums::parent_of(const ShardNode& node) const {
    const int top = shard_root(shards_).level;
    ShardNode parent{node.level + 1, node.index / 2};
    while (parent.level < top && parent.index % 2 == 0 && sibling_of(parent).begin() >= shards_)
        parent = {parent.level + 1, parent.index / 2};
    return parent;
}

int PartialSums::take_slot(Plan& plan) {
    if (free_.empty()) {
        plan.scratch.resize(static_cast<std::size_t>(plan.ranks));
        auto& scratch = plan.scratch[static_cast<std::size_t>(rank_)];
        scratch.push_back(part_);
        return plan.slots(rank_) + static_cast<int>(scratch.size()) - 1;
    }
    const auto lowest = std::ranges::min_element(free_);
    const int slot = *lowest;
    free_.erase(lowest);
    return slot;
}

// The sum goes to the lower of the two slots; so slot 0, once in use, stays so.
void PartialSums::join_siblings(Plan& plan, ShardNode node, int round) {
    for (std::size_t other = find(sibling_of(node)); other < held_.size(); other = find(sibling_of(node))) {
        const auto [low, high] = std::minmax(held_[find(node)].slot, held_[other].slot);
        const int target = low, source = high;
        steps_of(plan, rank_)
            .push_back({.kind = Step::Kind::add,
                        .slot = target,
                        .other = source,
                        .round = round,
                        .part = part_.part,
                        .parts = part_.parts});
        free_.push_back(source);
        held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(other));
        Held& sum = held_[find(node)];
        node = parent_of(node);
        sum = {node, target};
    }
}

}  // namespace firecaffe::comm
