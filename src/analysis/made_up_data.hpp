// SPDX-License-Identifier: Apache-2.0
// Data for a net that is timed: the values do not matter, but its layers must accept them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firecaffe/net/spec.hpp"

namespace firecaffe::analysis {

/// How many different indices the net's data may hold, if an Embed reads them in the training phase, be it through
/// layers that only copy or rename; the least, if several do. None: the data are no indices.
std::optional<std::int64_t> index_count(const NetSpec& spec);

/// Fills `data` with numbers that are always the same: whole ones in [0, *indices), or any in [-1, 1).
void make_up_data(std::optional<std::int64_t> indices, std::span<float> data);

}  // namespace firecaffe::analysis
