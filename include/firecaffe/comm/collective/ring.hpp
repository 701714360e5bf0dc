// SPDX-License-Identifier: Apache-2.0
// The ring: rank r sends to rank r + 1 only (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters
// of workstations", 2009).
//
// The request has as many parts as there are ranks. Reduce-scatter: in round k rank r passes part r - 1 - k on, and
// adds its own to the part that arrives; after p - 1 rounds it has the sum of part r. All-gather: p - 1 rounds pass the
// sums around. Part q is added in the order of the ring, beginning with rank q + 1, so the order depends on the part
// and on the number of ranks: not canonical, but for one rank and for two that bring one partial sum each. A rank first
// adds its own partial sums. docs/algorithms.md has the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// Throws UsageError unless both are at least 1. One rank: a plan without steps.
Plan plan_ring(int ranks, int shards);

}  // namespace firecaffe::comm
