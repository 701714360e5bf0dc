// SPDX-License-Identifier: Apache-2.0
// Test data that depends on a seed and on nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "firecaffe/core/random.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::testing {

/// Uniform in [-1, 1).
template <class T>
std::vector<T> random_values(std::int64_t count, std::uint64_t seed) {
    const RandomStream stream(seed, RandomPurpose::user);
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<T>(2) * static_cast<T>(stream.uniform(i)) - 1;
    return values;
}

/// `count` values in random order, evenly spaced in [-1, 1) but for a gap of half a space around zero: no two are
/// close, so that a small step never crosses a kink of max or ReLU.
template <class T>
std::vector<T> distinct_values(std::int64_t count, std::uint64_t seed) {
    const RandomStream stream(seed, RandomPurpose::user);
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = (static_cast<T>(2 * i) + T(0.5)) / static_cast<T>(count) - 1;
    for (std::size_t i = values.size(); i > 1; --i)
        std::swap(values[i - 1], values[stream.below(i, static_cast<std::uint32_t>(i))]);
    return values;
}

/// A tensor in plain layout with the given elements.
template <class T>
Tensor<T, Cpu> plain_tensor(const Shape& shape, std::span<const T> values) {
    Tensor<T, Cpu> tensor(shape);
    if (values.size() != tensor.storage().size())
        throw ShapeError("plain_tensor: ", values.size(), " values for ", shape, "; give one for each element");
    std::copy(values.begin(), values.end(), tensor.data());
    return tensor;
}

template <class T>
Tensor<T, Cpu> random_tensor(const Shape& shape, std::uint64_t seed) {
    return plain_tensor<T>(shape, random_values<T>(shape.count(), seed));
}

}  // namespace firecaffe::testing
