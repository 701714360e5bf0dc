// SPDX-License-Identifier: Apache-2.0
// The body of ops/weighted_sum.hpp. Terms travel among the kernel's arguments.
#pragma once

#include <cstddef>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/weighted_sum.hpp"

namespace firecaffe::cuda {

template <class T>
struct WeightedTerms {
    static constexpr std::size_t kMost = 32;
    ops::WeightedTerm<T> of[kMost];
};

template <class T, class Device>
void weighted_sum(double constant, std::span<const ops::WeightedTerm<T>> terms, T* sum) {
    WeightedTerms<T> all;
    if (terms.size() > all.kMost)
        throw UsageError("weighted sum: ", terms.size(), " terms; a GPU takes ", all.kMost, " at most");
    const std::size_t count = terms.size();
    for (std::size_t i = 0; i < count; ++i) all.of[i] = terms[i];
    Launch<Device>::for_each(1, [=] FIRECAFFE_KERNEL(std::int64_t) {
        double total = constant;
        for (std::size_t i = 0; i < count; ++i) total += all.of[i].weight * static_cast<double>(*all.of[i].value);
        *sum = static_cast<T>(total);
    });
}

}  // namespace firecaffe::cuda
