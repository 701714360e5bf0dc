// SPDX-License-Identifier: Apache-2.0
// All-gather: every rank gets what every rank has. The request is one equal part per shard; a rank brings the parts of
// its shard_block (shard_tree.hpp), in their places, and ends with all of them. With as many shards as ranks, that is
// one part for each. Nothing is added, so any bytes can travel as elements.
//
// In round t rank r sends its own parts to rank r + t and receives those of rank r - t (modulo the number of ranks p).
// So there are p - 1 rounds, in which each rank sends its parts p - 1 times and receives those of all others. No rank
// passes on what is another's.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The plan "all_gather" over slot 0. No sum: simulate(), which proves sums, refuses it. Throws UsageError unless ranks
/// >= 1 and shards >= 1. One rank: a plan without steps.
Plan plan_all_gather(int ranks, int shards);

}  // namespace firecaffe::comm
