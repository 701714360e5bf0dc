// SPDX-License-Identifier: Apache-2.0
// The maths of losses and of scores, on plain N x C x spatial tensors; labels are class numbers, stored as T, one for
// each of the N x spatial predictions.
//
// A label that is neither ignore_label nor in [0, C) is refused. The CPU throws DataError at once. On a GPU nothing
// waits: it is counted in the LossSum, the loss becomes a NaN, backward takes the prediction for one that is ignored,
// and check_labels throws later.
#pragma once

#include <cstdint>

#include "firecaffe/ops/loss_sum.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// dx = (dy - sum over channels of dy * y) * y, the gradient of the softmax whose output is y.
template <class T, class Device>
void softmax_backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx);

/// *sum = -sum log max(p[label], FLT_MIN). On a GPU `sum` is a LossMemory's, here and in every other op; the CPU needs
/// one LossSum.
template <class T, class Device>
void negative_log_likelihood(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                             std::int64_t ignore_label, LossSum* sum);

/// dx = (p - onehot(label)) * scale; zero where the label is ignored.
template <class T, class Device>
void negative_log_likelihood_backward(TensorView<const T, Device> p, TensorView<const T, Device> labels,
                                      std::int64_t ignore_label, const LossScale<T>& scale, TensorView<T, Device> dx);

/// hits->loss: how many predictions have their label among the k largest scores; among equal scores the lower class
/// wins. One whose label is ignore_label is no hit and is not counted; -1: all count.
template <class T, class Device>
void count_top_k(TensorView<const T, Device> scores, TensorView<const T, Device> labels, std::int64_t k,
                 std::int64_t ignore_label, LossSum* hits);

/// *mean = sum->loss / divisor, which is a number or kDivideByCounted.
template <class T, class Device>
void mean_loss(const LossSum* sum, std::int64_t divisor, T* mean);

/// Throws DataError, with the label and its place, if a label was refused; `positions` are the predictions of a sample.
/// Waits for a GPU. On the CPU there is nothing to do, as it has thrown by itself.
template <class T, class Device>
void check_labels(const LossSum* sum, std::int64_t positions, std::int64_t classes);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_LOSS(T, Device)                                                                             \
    template <>                                                                                                       \
    void softmax_backward(TensorView<const T, Device>, TensorView<const T, Device>, TensorView<T, Device>);           \
    template <>                                                                                                       \
    void negative_log_likelihood(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, LossSum*);   \
    template <>                                                                                                       \
    void negative_log_likelihood_backward(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t,     \
                                          const LossScale<T>&, TensorView<T, Device>);                                \
    template <>                                                                                                       \
    void count_top_k(TensorView<const T, Device>, TensorView<const T, Device>, std::int64_t, std::int64_t, LossSum*); \
    template <>                                                                                                       \
    void mean_loss<T, Device>(const LossSum*, std::int64_t, T*);                                                      \
    template <>                                                                                                       \
    void check_labels<T, Device>(const LossSum*, std::int64_t, std::int64_t);

FIRECAFFE_DECLARE_LOSS(float, Cpu)
FIRECAFFE_DECLARE_LOSS(double, Cpu)
FIRECAFFE_DECLARE_LOSS(float, Cuda)
FIRECAFFE_DECLARE_LOSS(double, Cuda)
#undef FIRECAFFE_DECLARE_LOSS

}  // namespace firecaffe::ops
