// SPDX-License-Identifier: Apache-2.0
// The binomial tree: the canonical sum over shards, run as a collective.
//
// Up: worker r of p starts with the maximal nodes of its block of shards (shard_tree.hpp), one per slot. A node whose
// children lie on two ranks is formed on the owner of its leftmost shard: that rank receives the right child and adds
// it as the right operand. Children on one rank are added there. One level of the tree is one round. Down: a binomial
// broadcast of ceil(log2 p) rounds from the owner of shard 0 to all ranks, those without a shard (p > V) included.
//
// With one shard per rank this is the reduction tree of the FireCaffe paper: ceil(log2 p) rounds up and as many down;
// the same holds for any power of two of shards per rank. Otherwise blocks cut through nodes, and the way up takes one
// round per level at which that happens: at most ceil(log2 V).
//
// It is run step by step. In chunks rank 0's link would hold it up, to which up to ceil(log2 p) children come: what is
// run in chunks is the plan of pipelined_tree.hpp.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The plan "tree" for `ranks` ranks and `shards` logical shards; canonical for every number of ranks. One rank: a plan
/// without steps. Throws UsageError unless both are at least 1. Pure; takes O(shards * log shards + ranks) steps.
Plan plan_tree(int ranks, int shards);

}  // namespace firecaffe::comm
