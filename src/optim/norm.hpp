// SPDX-License-Identifier: Apache-2.0
// The norm of a parameter, its gradient or its update: in double, in one order whatever the machine.
#pragma once

#include <cmath>
#include <cstddef>

namespace firecaffe {

/// Sum of the squares of element(0), ..., element(count - 1). Element i goes into sum i modulo kSums, and the sums are
/// added up in order: one sum alone would wait for each of its additions, and may not be vectorised.
template <class Element>
double sum_of_squares(std::size_t count, const Element& element) {
    constexpr std::size_t kSums = 8;
    double squares[kSums] = {};
    const auto add = [&](std::size_t i, std::size_t s) {
        const auto x = static_cast<double>(element(i));
        squares[s] += x * x;
    };
    const std::size_t whole = count - count % kSums;
    for (std::size_t i = 0; i < whole; i += kSums)
        for (std::size_t s = 0; s < kSums; ++s) add(i + s, s);
    for (std::size_t i = whole; i < count; ++i) add(i, i - whole);
    double sum = 0.0;
    for (const double s : squares) sum += s;
    return sum;
}

/// L2 norm of element(0), ..., element(count - 1).
template <class Element>
double norm(std::size_t count, const Element& element) {
    return std::sqrt(sum_of_squares(count, element));
}

}  // namespace firecaffe
