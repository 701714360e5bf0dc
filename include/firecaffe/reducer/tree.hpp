// SPDX-License-Identifier: Apache-2.0
// Reducers that run a plan over a transport, in the background.
#pragma once

#include <memory>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// The reducer "tree": the canonical sum over `shards` logical shards on a binomial tree (comm/collective/tree.hpp),
/// step by step and not in chunks; the same bits for every number of ranks. A rank brings one partial sum per maximal
/// node of its block of shards, and one buffer of any content if its block is empty (more ranks than shards). close()
/// closes the transport, on all ranks. Throws UsageError for a null transport or shards < 1.
std::unique_ptr<Reducer> make_tree_reducer(std::shared_ptr<comm::Transport> transport, int shards);

/// The same for any plan that comm::simulate() accepts; its scheme becomes the reducer's name. A rank brings
/// plan.slots(rank) partials. Requests that need not be exact travel as `wire` says (comm/collective/wire_type.hpp),
/// and if that is a narrower type the reducer is not canonical. Throws UsageError unless the plan is for as many ranks
/// as the transport has.
std::unique_ptr<Reducer> make_planned_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                              comm::ExecutorOptions options = {},
                                              comm::WireType wire = comm::WireType::same);

}  // namespace firecaffe
