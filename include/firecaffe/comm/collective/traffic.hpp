// SPDX-License-Identifier: Apache-2.0
// What a plan moves, counted from its steps: for comparing plans by bytes alone, without a model of the network.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

/// The elements that the busiest rank sends and receives, together, when `plan` runs on a request of `count` elements.
std::uint64_t busiest_elements(const Plan& plan, std::size_t count);

/// What the busiest rank handles: as busiest_elements(), but what is added counts once more, whether it came from a peer
/// or not.
std::uint64_t most_handled(const Plan& plan, std::size_t count);

}  // namespace firecaffe::comm
