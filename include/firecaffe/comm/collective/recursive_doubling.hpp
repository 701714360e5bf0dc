// SPDX-License-Identifier: Apache-2.0
// Recursive doubling (Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH",
// 2005): the fewest rounds, for short requests.
//
// Partners at distance 1, 2, 4, ... exchange all they have, and both add; so after lg(ranks) rounds everybody has the
// sum, and there is no way back. Ranks beyond a power of two are folded into neighbours, and the order of the additions
// is the canonical one, as halving_doubling.hpp says. docs/algorithms.md has the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// Throws UsageError unless both are at least 1. One rank: a plan without steps.
Plan plan_recursive_doubling(int ranks, int shards);

}  // namespace firecaffe::comm
