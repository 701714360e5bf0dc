// SPDX-License-Identifier: Apache-2.0
// A factor and a term for each channel.
#pragma once

#include <memory>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// y = factor[c] * x + term[c] for each channel (axis 1) of N x C x ... . Factors and terms are C values in plain
/// layout; null stands for factors of one and terms of zero. Any layout; padding channels are written as zeros.
template <class T, class Device>
class Scale {
  public:
    virtual ~Scale() = default;
    virtual TensorSpec output() const = 0;  // that of the input
    /// y may be x.
    virtual void forward(TensorView<const T, Device> x, const Master<T>* factor, const Master<T>* term,
                         TensorView<T, Device> y) = 0;
    /// dx = factor * dy; dx may be dy.
    virtual void backward_data(TensorView<const T, Device> dy, const Master<T>* factor, TensorView<T, Device> dx) = 0;
    /// dfactor = sum of dy * x and dterm = sum of dy, per channel, in double and in an order that depends on the spec
    /// alone. Null: not wanted; x is read for dfactor only.
    virtual void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy,
                                     Master<T>* dfactor, Master<T>* dterm) = 0;
};

/// Throws ShapeError for an input without a channel axis.
template <class T, class Device>
std::unique_ptr<Scale<T, Device>> make_scale(const TensorSpec& input);

template <>
std::unique_ptr<Scale<float, Cpu>> make_scale(const TensorSpec& input);
template <>
std::unique_ptr<Scale<double, Cpu>> make_scale(const TensorSpec& input);
template <>
std::unique_ptr<Scale<float, Cuda>> make_scale(const TensorSpec& input);
template <>
std::unique_ptr<Scale<double, Cuda>> make_scale(const TensorSpec& input);
template <>
std::unique_ptr<Scale<bfloat16, Cuda>> make_scale(const TensorSpec& input);
template <>
std::unique_ptr<Scale<float16, Cuda>> make_scale(const TensorSpec& input);

}  // namespace firecaffe::ops
