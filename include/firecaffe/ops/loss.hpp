// SPDX-License-Identifier: Apache-2.0
// The maths of losses and of scores, on plain N x C x spatial tensors; labels are class numbers, stored as T, one for
// each of the N x spatial predictions.
#pragma once

#include <cstdint>

#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// dx = (dy - sum over channels of dy * y) * y, the gradient of the softmax whose output is y.
template <class T, class Device>
void softmax_backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx);

struct LossSum {
    double loss = 0.0;         ///< summed over samples, then over positions, in double
    std::int64_t counted = 0;  ///< predictions whose label is not ignored
};

/// -sum log max(p[label], FLT_MIN). Throws DataError for a label that is neither ignore_label nor in [0, C).
template <class T, class Device>
LossSum negative_log_likelihood(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                std::int64_t ignore_label);

/// dx = (p - onehot(label)) * scale; zero where the label is ignored.
template <class T, class Device>
void negative_log_likelihood_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                      std::int64_t ignore_label, T scale, TensorView<T, Device> dx);

/// How many predictions have their label among the k largest scores; among equal scores the lower class wins. One whose
/// label is ignore_label is no hit; -1: all count.
template <class T, class Device>
std::int64_t count_top_k(TensorView<const T, Device> scores, TensorView<const T, Device> labels, std::int64_t k,
                         std::int64_t ignore_label);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_LOSS(T, Device)                                                                             \
    template <>                                                                                                       \
    void softmax_backward(TensorView<const T, Device>, TensorView<const T, Device>, TensorView<T, Device>);           \
    template <>                                                                                                       \
    LossSum negative_log_likelihood(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t);          \
    template <>                                                                                                       \
    void negative_log_likelihood_backward(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, T,  \
                                          TensorView<T, Device>);                                                     \
    template <>                                                                                                       \
    std::int64_t count_top_k(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, std::int64_t);

FIRECAFFE_DECLARE_LOSS(float, Cpu)
FIRECAFFE_DECLARE_LOSS(double, Cpu)
FIRECAFFE_DECLARE_LOSS(float, Cuda)
FIRECAFFE_DECLARE_LOSS(double, Cuda)
#undef FIRECAFFE_DECLARE_LOSS

}  // namespace firecaffe::ops
