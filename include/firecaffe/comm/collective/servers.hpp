// SPDX-License-Identifier: Apache-2.0
// Schemes in which some ranks serve: a serving rank gathers its part of the request from all ranks, adds it up along
// the canonical tree, and sends the sum to all. With k servers, server s has part s of k and is rank floor(s * ranks /
// k); servers are workers too. All keep the canonical order, for any number of ranks and shards.
//
//   star             one server, rank 0: the parameter server of the FireCaffe paper's Equation 3
//   sharded server   k of them, as in Li et al., "Scaling distributed machine learning with the parameter server", 2014
//   direct exchange  every rank serves: reduce-scatter and all-gather in which each pair of ranks talks directly
//
// In round t of the way up, server at rank h receives from rank h + t; on the way down it sends to rank h + t (modulo
// the number of ranks). So no rank sends or receives two messages at a time. Where a rank brings m partial sums, a
// round up becomes m rounds. docs/algorithms.md has the costs.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// All throw UsageError unless ranks >= 1, shards >= 1 and 1 <= servers <= ranks. One rank: a plan without steps.
Plan plan_star(int ranks, int shards);
Plan plan_sharded_server(int ranks, int shards, int servers);
Plan plan_direct(int ranks, int shards);

}  // namespace firecaffe::comm
