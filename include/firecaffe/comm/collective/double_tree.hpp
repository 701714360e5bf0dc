// SPDX-License-Identifier: Apache-2.0
// Two complementary binary trees, each for one half of the request (Sanders, Speck, Traeff, "Two-tree algorithms for
// full bandwidth broadcast, reduction and scan", 2009).
//
// In one binary tree half of the ranks are leaves, which send once and never add, while the others receive twice. Here
// who is inside one tree is a leaf of the other, so all links carry the same. The first tree has positions 0..p-1: 0 is
// the root and has one child; below it lies the binary tree over 1..p-1 in symmetric order, in which a position with h
// trailing zeros has height h. Position i is rank i in the first tree; in the second, rank p - 1 - i if p is even, and
// rank (i + 1) mod p if p is odd, where no numbering makes every inner rank a leaf elsewhere.
//
// A rank sends to its parent as soon as it has heard all its children, one child a round; the way down is the way up in
// reverse. Both trees run in the same rounds. The order of the additions depends on the half: not canonical, but for
// one rank and for two that bring one partial sum each. A rank first adds its own partial sums. docs/algorithms.md has
// the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// Throws UsageError unless both are at least 1. One rank: a plan without steps.
Plan plan_double_tree(int ranks, int shards);

}  // namespace firecaffe::comm
