// SPDX-License-Identifier: Apache-2.0
// A sum of few numbers that lie where a device has them, such as the losses of a net.
#pragma once

#include <span>

#include "firecaffe/device/memory.hpp"

namespace firecaffe::ops {

template <class T>
struct WeightedTerm {
    const T* value = nullptr;  ///< one number, in memory of the device
    double weight = 1.0;
};

/// *sum = constant + the weighted terms, in this order and in double, and then rounded once. Without terms it sets a
/// number. On a GPU it is queued on the current stream; then there may be 32 terms. Throws UsageError for more.
template <class T, class Device>
void weighted_sum(double constant, std::span<const WeightedTerm<T>> terms, T* sum);

template <>
void weighted_sum<float, Cpu>(double, std::span<const WeightedTerm<float>>, float*);
template <>
void weighted_sum<double, Cpu>(double, std::span<const WeightedTerm<double>>, double*);
template <>
void weighted_sum<float, Cuda>(double, std::span<const WeightedTerm<float>>, float*);
template <>
void weighted_sum<double, Cuda>(double, std::span<const WeightedTerm<double>>, double*);

}  // namespace firecaffe::ops
