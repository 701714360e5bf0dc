// SPDX-License-Identifier: Apache-2.0
// What a plan moves, counted from its steps: for comparing plans by bytes alone, without a model of the network.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The elements that the busiest rank sends and receives, together, when `plan` runs on a request of `count` elements.
std::uint64_t busiest_elements(const Plan& plan, std::size_t count);

/// As busiest_elements, but what is added counts too, whether it came from a peer or not: what the busiest rank handles.
std::uint64_t most_handled(const Plan& plan, std::size_t count);

}  // namespace firecaffe::comm
