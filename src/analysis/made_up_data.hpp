// SPDX-License-Identifier: Apache-2.0
// Data for a net that is timed: the values do not matter, but its layers must accept them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "firecaffe/net/spec.hpp"
#include "firecaffe/tensor/host_view.hpp"

namespace firecaffe::analysis {

/// How many different indices the net's data may hold, if an Embed reads them in the training phase, be it through
/// layers that only copy or rename; the least, if several do. None: the data are no indices.
std::optional<std::int64_t> index_count(const NetSpec& spec);

/// Fills `data` with numbers that are always the same: whole ones in [0, *indices), or any in [-1, 1).
void make_up_data(std::optional<std::int64_t> indices, std::span<float> data);

/// The same on any device; waits until they are there.
template <class T, class Device>
void make_up_data_on(std::optional<std::int64_t> indices, std::span<T> data) {
    const HostView<T, Device> host(data);
    std::vector<float> numbers(data.size());
    make_up_data(indices, numbers);
    std::ranges::transform(numbers, host.values().begin(), [](float v) { return static_cast<T>(v); });
    host.write_back();
}

}  // namespace firecaffe::analysis
