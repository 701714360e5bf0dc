// SPDX-License-Identifier: Apache-2.0
// The maths of losses that compare two tensors element by element, both plain and of one number of elements. Sums run
// in the order of memory, in double; on a GPU in one other fixed order.
#pragma once

#include <cstdint>

#include "firecaffe/ops/loss.hpp"

namespace firecaffe::ops {

/// sum (a - b)^2; all elements count.
template <class T, class Device>
void squared_distance(TensorView<const T, Device> a, TensorView<const T, Device> b, LossSum* sum);

/// dx = (a - b) * scale.
template <class T, class Device>
void scaled_difference(TensorView<const T, Device> a, TensorView<const T, Device> b, const LossScale<T>& scale,
                       TensorView<T, Device> dx);

/// -sum t log p + (1 - t) log(1 - p), p = 1 / (1 + exp(-x)), computed as max(x, 0) - x t + log(1 + exp(-|x|)), which no
/// x makes overflow. A target that, cut to an integer, is ignore_label does not count; -1: all count.
template <class T, class Device>
void sigmoid_cross_entropy(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                           std::int64_t ignore_label, LossSum* sum);

/// dx = (p - t) * scale; zero where the target is ignored.
template <class T, class Device>
void sigmoid_cross_entropy_backward(TensorView<const T, Device> x, TensorView<const T, Device> targets,
                                    std::int64_t ignore_label, const LossScale<T>& scale, TensorView<T, Device> dx);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_ELEMENT_LOSS(T, Device)                                                                 \
    template <>                                                                                                   \
    void squared_distance(TensorView<const T, Device>, TensorView<const T, Device>, LossSum*);                    \
    template <>                                                                                                   \
    void scaled_difference(TensorView<const T, Device>, TensorView<const T, Device>, const LossScale<T>&,         \
                           TensorView<T, Device>);                                                                \
    template <>                                                                                                   \
    void sigmoid_cross_entropy(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, LossSum*); \
    template <>                                                                                                   \
    void sigmoid_cross_entropy_backward(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t,   \
                                        const LossScale<T>&, TensorView<T, Device>);

FIRECAFFE_DECLARE_ELEMENT_LOSS(float, Cpu)
FIRECAFFE_DECLARE_ELEMENT_LOSS(double, Cpu)
FIRECAFFE_DECLARE_ELEMENT_LOSS(float, Cuda)
FIRECAFFE_DECLARE_ELEMENT_LOSS(double, Cuda)
#undef FIRECAFFE_DECLARE_ELEMENT_LOSS

}  // namespace firecaffe::ops
