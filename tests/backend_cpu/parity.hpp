// SPDX-License-Identifier: Apache-2.0
// Runs the shipped float ops in any layout, and brings their results to plain layout for comparison.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/reorder.hpp"
#include "support/values.hpp"

namespace firecaffe::testing {

using Floats = Tensor<float, Cpu>;

/// A copy in another layout, by the reference's plain loop.
inline Floats in_layout(const Floats& from, Layout layout) {
    Floats to(TensorSpec{from.shape(), layout});
    ops::reference::ReferenceReorder<float>(from.spec(), to.spec()).run(from.view(), to.view());
    return to;
}

inline Floats random_in(const TensorSpec& spec, std::uint64_t seed) {
    return in_layout(random_tensor<float>(spec.shape, seed), spec.layout);
}

/// Filled with a value that shows where nothing was written.
inline Floats unwritten(const TensorSpec& spec) {
    Floats tensor(spec);
    std::ranges::fill(tensor.storage(), std::numeric_limits<float>::quiet_NaN());
    return tensor;
}

/// Worst difference over the largest element of `expected`; infinite for NaN. Both may be in any layout.
inline double distance(std::span<const float> a, std::span<const float> expected) {
    double largest = 0, worst = 0;
    if (a.size() != expected.size()) return std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(expected[i]));
        if (!(difference >= 0)) return std::numeric_limits<double>::infinity();
        worst = std::max(worst, difference);
        largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    }
    return worst == 0 ? 0 : worst / largest;
}
inline double distance(const Floats& a, const Floats& expected) {
    const Floats a_plain = in_layout(a, Layout::plain()), expected_plain = in_layout(expected, Layout::plain());
    return distance(a_plain.storage(), expected_plain.storage());
}

/// True if the channels that pad the last block are zero, as the layout promises.
inline bool padding_is_zero(const Floats& tensor) {
    const Floats again = in_layout(in_layout(tensor, Layout::plain()), tensor.spec().layout);
    return std::ranges::equal(tensor.storage(), again.storage());
}

inline constexpr double kClose = 1e-5;

}  // namespace firecaffe::testing
