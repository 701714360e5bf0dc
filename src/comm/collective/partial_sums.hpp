// SPDX-License-Identifier: Apache-2.0
// PartialSums: which nodes of the canonical tree one rank holds, of one part of the request, while a plan is written. A
// node that arrives joins its sibling if that is there, and its parent the parent's sibling, and so on: additions
// happen as early as the canonical tree allows, and no node is kept that could be added. Who receives its neighbours
// one after the other so holds O(log shards) nodes at a time.
#pragma once

#include <vector>

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {

class PartialSums {
  public:
    struct Held {
        ShardNode node;
        int slot = 0;
    };

    /// At the start: the nodes that the rank brings. What is to be held beside them gets scratch slots of that part.
    PartialSums(const Plan& plan, Rank rank, int shards, Part part);
    /// The same sums, of a part of the part.
    PartialSums only(Part part) const;

    Rank rank() const { return rank_; }
    Part part() const { return part_; }
    /// From left to right. When it is the root alone, that lies in slot 0.
    const std::vector<Held>& held() const { return held_; }

    /// Writes the message that brings `theirs`, which lies in a slot of rank `from`, and the additions that follow.
    void receive(Plan& plan, Rank from, const Held& theirs, int round);

  private:
    std::size_t find(const ShardNode& node) const;
    ShardNode parent_of(const ShardNode& node) const;
    int take_slot(Plan& plan);
    void join_siblings(Plan& plan, ShardNode node, int round);

    Rank rank_;
    int shards_;
    Part part_;
    std::vector<Held> held_;
    std::vector<int> free_;  // slots that held a node and no longer do
};

}  // namespace firecaffe::comm
