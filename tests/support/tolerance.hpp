// SPDX-License-Identifier: Apache-2.0
// How close is close enough, per element type: the one table that all tests read.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "firecaffe/core/half.hpp"

namespace firecaffe::testing {

/// Bounds on relative_error below.
template <class T>
struct Tolerance;

template <>
struct Tolerance<float> {
    static constexpr double kElementwise = 1e-6;  ///< a few roundings
    static constexpr double kSum = 1e-4;          ///< sums of up to some thousand products, in any order
    static constexpr double kGradient = 2e-2;     ///< analytic against central differences
    static constexpr double kStep = 1e-2;         ///< of those differences
};

template <>
struct Tolerance<double> {
    static constexpr double kElementwise = 1e-15;
    static constexpr double kSum = 1e-12;
    static constexpr double kGradient = 1e-6;
    static constexpr double kStep = 1e-5;
};

/// Of activations that are stored in it; what is computed is float.
template <>
struct Tolerance<bfloat16> {
    static constexpr double kElementwise = 0x1p-8;  ///< one rounding, by at most half a step, and what float lacks
    static constexpr double kSum = 0x1p-7;
};

template <>
struct Tolerance<float16> {
    static constexpr double kElementwise = 0x1p-11;
    static constexpr double kSum = 0x1p-10;
};

/// |a - b| over the larger of |a|, |b| and `floor`; infinite if either is NaN.
inline double relative_error(double a, double b, double floor) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::infinity();
    const double scale = std::max({std::abs(a), std::abs(b), floor});
    return a == b ? 0.0 : std::abs(a - b) / scale;
}

/// The worst relative_error of two arrays, elements being measured against at least a thousandth of the largest in `b`.
/// Infinite when the lengths differ.
template <class A, class B>
double worst_error(std::span<A> a, std::span<B> b) {
    if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
    double largest = 0, worst = 0;
    for (const auto value : b) largest = std::max(largest, std::abs(static_cast<double>(value)));
    for (std::size_t i = 0; i < a.size(); ++i)
        worst = std::max(worst, relative_error(static_cast<double>(a[i]), static_cast<double>(b[i]), 1e-3 * largest));
    return worst;
}

}  // namespace firecaffe::testing
