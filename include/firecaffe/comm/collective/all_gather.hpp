// SPDX-License-Identifier: Apache-2.0
// All-gather: every rank gets what every rank has. The request has one part per rank; rank r brings part r, in its
// place, and ends with all of them. Nothing is added, so any bytes can travel as elements.
//
// In round t rank r sends its own part to rank r + t and receives that of rank r - t (modulo the number of ranks): p -
// 1 rounds, in which each rank sends and receives p - 1 parts. No rank passes on what is another's.
#pragma once

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The plan "all_gather" over slot 0. No sum: simulate(), which proves sums, refuses it. Throws UsageError unless ranks
/// >= 1. One rank: a plan without steps.
Plan plan_all_gather(int ranks);

}  // namespace firecaffe::comm
