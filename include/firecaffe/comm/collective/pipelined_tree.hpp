// SPDX-License-Identifier: Apache-2.0
// The canonical tree over shards, of which all ranks carry an equal share: in chunks, a tree that no rank's link holds
// up.
//
// Where the children of a node lie on two ranks, each of the two forms one half of the node: it sends the other its
// child's other half, and adds. One level further up the halves are halved, and so on, so that the sum lies in parts
// all over the ranks. Then the same messages the other way, level by level, with sums. With one shard per rank and
// p = 2^k ranks that is recursive halving and doubling between nearest neighbours; this plan is made of the tree, so it
// keeps the canonical order for any numbers of ranks and shards, and no rank sends more than 2(1 - 2^-ceil(lg p)) times
// the request where each brings one partial sum.
//
// Where ranks bring several partial sums, or one of a node's children was not cut as finely as the other, a part may
// stay whole: it is formed where the sum can end in slot 0, else by the owner of the left child. The request is cut into
// 2^ceil(lg p) parts at most.
//
// Ranks without a shard get the sum at the end, by doubling.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The plan "pipelined_tree" for `ranks` ranks and `shards` logical shards; canonical for every number of ranks. One
/// rank: a plan without steps. Throws UsageError unless both are at least 1. Pure.
Plan plan_pipelined_tree(int ranks, int shards);

}  // namespace firecaffe::comm
