// SPDX-License-Identifier: Apache-2.0
// Recursive halving and doubling (Rabenseifner, "Optimization of collective reduction operations", 2004).
//
// Let 2^k be the greatest power of two that is not above the number of ranks. Ranks beyond it are folded: of the first
// 2 * (ranks - 2^k) ranks, each odd one sends all it has to its left neighbour, and gets the sum from it at the end.
// The others are renumbered 0..2^k-1. Reduce-scatter: in round j number n talks to n ^ 2^j; of the range that both
// hold, each sends one half and adds the other. All-gather: the same way back.
//
// Nearest neighbours come first, so the order of the additions is a tree over neighbours. It is the canonical one if
// each rank brings one partial sum and all ranks that have met in a round make up a node: for 2^k ranks and 2^i >= 2^k
// shards, and for some others where the folded ranks fit, such as 3, 6, 7 or 12 ranks with a shard each. Otherwise a
// rank first adds its own partial sums, and the plan is not canonical. docs/algorithms.md has the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// Throws UsageError unless both are at least 1. One rank: a plan without steps.
Plan plan_halving_doubling(int ranks, int shards);

}  // namespace firecaffe::comm
