// SPDX-License-Identifier: Apache-2.0
// Eltwise: product, weighted sum or maximum of several tensors of one shape (BVLC Caffe 1.0, eltwise_layer.cpp).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "firecaffe/core/half.hpp"
#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

struct EltwiseParameters {
    EltwiseOperation operation = EltwiseOperation::sum;
    std::vector<double> coeff{};  ///< of a sum: one per input, or none for ones
};

/// The inputs have one shape, but may differ in layout. Sums and products run over the inputs in their order.
template <class T, class Device>
class Eltwise {
  public:
    virtual ~Eltwise() = default;
    virtual TensorSpec output() const = 0;
    virtual void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) = 0;
    /// Of input i: coeff[i] * dy for a sum; dy times the other inputs for a product; for a maximum dy where the input
    /// won the last forward, else 0. Where inputs are equal, the second wins over the first, and both over those after
    /// them; that is Caffe's rule. A dx whose data() is null is not wanted. Reads x for a product only.
    virtual void backward(std::span<const TensorView<const T, Device>> x, TensorView<const T, Device> dy,
                          std::span<const TensorView<T, Device>> dx) = 0;
};
/// Throws ConfigError for fewer than two inputs or coefficients that do not fit, ShapeError for shapes that differ.
template <class T, class Device>
std::unique_ptr<Eltwise<T, Device>> make_eltwise(const EltwiseParameters& parameters,
                                                 std::span<const TensorSpec> inputs);

template <>
std::unique_ptr<Eltwise<float, Cpu>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);
template <>
std::unique_ptr<Eltwise<double, Cpu>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);
template <>
std::unique_ptr<Eltwise<float, Cuda>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);
template <>
std::unique_ptr<Eltwise<double, Cuda>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);
template <>
std::unique_ptr<Eltwise<bfloat16, Cuda>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);
template <>
std::unique_ptr<Eltwise<float16, Cuda>> make_eltwise(const EltwiseParameters&, std::span<const TensorSpec>);

}  // namespace firecaffe::ops
