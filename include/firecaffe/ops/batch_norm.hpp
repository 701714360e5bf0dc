// SPDX-License-Identifier: Apache-2.0
// Batch normalisation (Ioffe and Szegedy, 2015) per channel, without learned factors: those are an op of their own
// (scale.hpp), as in Caffe.
#pragma once

#include <memory>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// Sums of what was measured over time: C means, C variances, and the count that both are to be divided by. A count of
/// zero means that nothing was measured yet, and reads as mean 0 and variance 0.
template <class T>
struct RunningStatistics {
    const T* mean = nullptr;
    const T* variance = nullptr;
    const T* count = nullptr;
};

/// y = (x - mean) / sqrt(variance + eps) for each channel (axis 1) of N x C x ..., m = N * ... elements each. Any
/// layout; padding channels are written as zeros. Sums run in double, in an order that depends on the spec alone.
template <class T, class Device>
class BatchNorm {
  public:
    virtual ~BatchNorm() = default;
    virtual TensorSpec output() const = 0;  // that of the input
    /// With the mean and the variance (over m) of x itself. y may be x.
    virtual void forward(TensorView<const T, Device> x, TensorView<T, Device> y) = 0;
    /// With the mean and the variance of `statistics`. y may be x.
    virtual void forward_with(const RunningStatistics<Master<T>>& statistics, TensorView<const T, Device> x,
                              TensorView<T, Device> y) = 0;
    /// After a forward pass of either kind, of which y is the output. dx may be dy.
    virtual void backward(TensorView<const T, Device> y, TensorView<const T, Device> dy, TensorView<T, Device> dx) = 0;
    /// What the last forward() measured: C means, C variances times m / (m - 1) (once, where m is 1), and the count 1.
    virtual void measured(Master<T>* mean, Master<T>* variance, Master<T>* count) const = 0;
};

/// Throws ShapeError for an input without a channel axis, ConfigError for an eps that is negative.
template <class T, class Device>
std::unique_ptr<BatchNorm<T, Device>> make_batch_norm(double eps, const TensorSpec& input);

template <>
std::unique_ptr<BatchNorm<float, Cpu>> make_batch_norm(double eps, const TensorSpec& input);
template <>
std::unique_ptr<BatchNorm<double, Cpu>> make_batch_norm(double eps, const TensorSpec& input);
template <>
std::unique_ptr<BatchNorm<float, Cuda>> make_batch_norm(double eps, const TensorSpec& input);
template <>
std::unique_ptr<BatchNorm<double, Cuda>> make_batch_norm(double eps, const TensorSpec& input);
template <>
std::unique_ptr<BatchNorm<bfloat16, Cuda>> make_batch_norm(double eps, const TensorSpec& input);
template <>
std::unique_ptr<BatchNorm<float16, Cuda>> make_batch_norm(double eps, const TensorSpec& input);

}  // namespace firecaffe::ops
