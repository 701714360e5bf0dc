// SPDX-License-Identifier: Apache-2.0
// PowerSGD: two thin factors instead of each matrix of weights (Vogels, Karimireddy and Jaggi, "PowerSGD: practical
// low-rank gradient compression for distributed optimization", 2019).
//
// For a matrix M of n rows and m columns, of which each rank has its own M_i, and r columns of a start Q (m x r) that
// all ranks have: P = the sum of M_i Q over ranks, made orthonormal; Q = the sum of M_i^T P; and P Q^T stands for the
// sum of the M_i. What P P^T M_i leaves of M_i is kept back and added to the next gradient. Q is the next start. So r
// (n + m) values are summed instead of n m, by any scheme, and all ranks have equal bits.
#pragma once

#include <cstdint>
#include <memory>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// Requests that must be exact, and those in double, go through `plan` as in make_planned_reducer. Of the others the
/// matrices (ReduceRequest::matrices) go as factors with `rank` columns, but for those to which it would spare nothing;
/// these, and what lies beside matrices, are summed as they are. All of that through `factors`, a plan of one partial
/// sum per rank. What is kept back, and the factors to start from, are held for each bucket and lost with this object.
/// ReducerStatistics::kept_back says how much it is. Throws UsageError for a rank below 1, a null pointer, a plan for
/// another number of ranks, and for `factors` that want another number of partial sums.
std::unique_ptr<Reducer> make_power_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                            comm::Plan factors, std::int64_t rank, comm::ExecutorOptions options = {});

}  // namespace firecaffe
