// SPDX-License-Identifier: Apache-2.0
// What tests of whole nets on a GPU share: a batch, gradients on the host, and how far those are apart.
#pragma once

#include <cmath>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "catch.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe::testing {

/// Pixels that all types have, and as labels the last class, the one before it, and so on.
template <class T>
void give_batch(Net<T, Cuda>& net, std::int64_t classes) {
    const Tensor<T, Cuda> pixels = sent_as<Cuda, T>(random_in<bfloat16>(net.data().shape(), 1));
    ops::copy<T, Cuda>(pixels.storage(), net.data().storage());
    Tensor<float, Cpu> numbers(Shape{net.data().shape()[0]});
    float last = static_cast<float>(classes);
    for (float& number : numbers.storage()) number = last -= 1;
    const Tensor<float, Cuda> labels = sent<Cuda>(numbers);
    ops::copy<float, Cuda>(labels.storage(), net.labels().storage());
}

inline std::vector<float> on_host(Arena<float, Cuda>& gradients) {
    Tensor<float, Cuda> all(Shape{static_cast<std::int64_t>(gradients.values().size())});
    ops::copy<float, Cuda>(gradients.values(), all.storage());
    return memory_of(all);
}

inline double norm(const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(sum);
}

/// Checks that gradients differ by no more than roundings to T along a few layers.
template <class T>
void check_near(const std::vector<float>& found, const std::vector<float>& expected) {
    REQUIRE(found.size() == expected.size());
    std::vector<float> difference = found;
    for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= expected[i];
    INFO("gradients of length " << norm(expected) << " differ by " << norm(difference));
    CHECK(norm(difference) <= 8 * Tolerance<T>::kSum * norm(expected));
}

}  // namespace firecaffe::testing
