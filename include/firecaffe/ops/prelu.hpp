// SPDX-License-Identifier: Apache-2.0
// PReLU: a ReLU whose slope below zero is learned, one per channel or one for all (He et al. 2015, arXiv 1502.01852;
// BVLC Caffe 1.0, prelu_layer.cpp).
#pragma once

#include <memory>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// y = x where x > 0, else slope[channel] * x. `slope` has one value per channel, or one in all. Any layout; y, dy and
/// dx have the spec of x. Padding channels stay zero.
template <class T, class Device>
class Prelu {
  public:
    virtual ~Prelu() = default;
    virtual void forward(TensorView<const T, Device> x, const Master<T>* slope, TensorView<T, Device> y) = 0;
    /// dx = dy where x > 0, else slope[channel] * dy.
    virtual void backward_data(TensorView<const T, Device> x, const Master<T>* slope, TensorView<const T, Device> dy,
                               TensorView<T, Device> dx) = 0;
    /// dslope[channel] = sum over samples and positions of dy * x where x <= 0; in double, in a fixed order.
    virtual void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy,
                                     Master<T>* dslope) = 0;
};
/// Throws ShapeError for an input without channels (axis 1).
template <class T, class Device>
std::unique_ptr<Prelu<T, Device>> make_prelu(const TensorSpec& input, bool channel_shared);

template <>
std::unique_ptr<Prelu<float, Cpu>> make_prelu(const TensorSpec& input, bool channel_shared);
template <>
std::unique_ptr<Prelu<double, Cpu>> make_prelu(const TensorSpec& input, bool channel_shared);
template <>
std::unique_ptr<Prelu<float, Cuda>> make_prelu(const TensorSpec& input, bool channel_shared);
template <>
std::unique_ptr<Prelu<double, Cuda>> make_prelu(const TensorSpec& input, bool channel_shared);
template <>
std::unique_ptr<Prelu<bfloat16, Cuda>> make_prelu(const TensorSpec& input, bool channel_shared);
template <>
std::unique_ptr<Prelu<float16, Cuda>> make_prelu(const TensorSpec& input, bool channel_shared);

}  // namespace firecaffe::ops
