// SPDX-License-Identifier: Apache-2.0
// Elementwise activations, as Caffe defines them (BVLC Caffe 1.0: sigmoid_layer, tanh_layer, elu_layer, power_layer).
//
// The spans of a call have one length (ShapeError says otherwise); y may be x, and dx may be dy. Functions of which
// f(0) is not 0 write something into the padding channels of a blocked tensor: call clear_padding after them.
#pragma once

#include <span>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// y = 1 / (1 + exp(-x)), computed as tanh(x / 2) / 2 + 1 / 2, which never overflows. sigmoid(0) is 1/2.
template <class T, class Device>
void sigmoid_forward(std::span<const T> x, std::span<T> y);
/// dx = dy * y * (1 - y).
template <class T, class Device>
void sigmoid_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx);

/// y = tanh(x).
template <class T, class Device>
void tanh_forward(std::span<const T> x, std::span<T> y);
/// dx = dy * (1 - y^2).
template <class T, class Device>
void tanh_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx);

/// y = x where x > 0, else alpha * (exp(x) - 1).
template <class T, class Device>
void elu_forward(std::span<const T> x, std::span<T> y, Master<T> alpha);
/// dx = dy where y > 0, else dy * (alpha + y). Uses the output, so that ELU can run in place (alpha >= 0).
template <class T, class Device>
void elu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, Master<T> alpha);

/// y = (shift + scale * x)^power.
struct PowerParameters {
    double power = 1.0, scale = 1.0, shift = 0.0;

    /// The derivative is the same number everywhere: backward does not look at x then.
    bool is_linear() const { return power == 1.0 || power == 0.0 || scale == 0.0; }
};
/// No call of pow for the powers 0, 1 and 2. What pow(0, 0) is, is one; a negative base with a broken power is NaN.
/// power_forward(0) is shift^power.
template <class T, class Device>
void power_forward(std::span<const T> x, std::span<T> y, const PowerParameters& parameters);
/// dx = dy * power * scale * (shift + scale * x)^(power - 1); zero for power 0. x may be any memory of that length
/// where is_linear().
template <class T, class Device>
void power_backward(std::span<const T> x, std::span<const T> dy, std::span<T> dx, const PowerParameters& parameters);

/// Writes zeros into the padding channels of a blocked tensor; does nothing to others.
template <class T, class Device>
void clear_padding(TensorView<T, Device> y);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_ACTIVATION(T, Device)                                                                   \
    template <>                                                                                                   \
    void sigmoid_forward<T, Device>(std::span<const T>, std::span<T>);                                            \
    template <>                                                                                                   \
    void sigmoid_backward<T, Device>(std::span<const T>, std::span<const T>, std::span<T>);                       \
    template <>                                                                                                   \
    void tanh_forward<T, Device>(std::span<const T>, std::span<T>);                                               \
    template <>                                                                                                   \
    void tanh_backward<T, Device>(std::span<const T>, std::span<const T>, std::span<T>);                          \
    template <>                                                                                                   \
    void elu_forward<T, Device>(std::span<const T>, std::span<T>, Master<T>);                                     \
    template <>                                                                                                   \
    void elu_backward<T, Device>(std::span<const T>, std::span<const T>, std::span<T>, Master<T>);                \
    template <>                                                                                                   \
    void power_forward<T, Device>(std::span<const T>, std::span<T>, const PowerParameters&);                      \
    template <>                                                                                                   \
    void power_backward<T, Device>(std::span<const T>, std::span<const T>, std::span<T>, const PowerParameters&); \
    template <>                                                                                                   \
    void clear_padding(TensorView<T, Device>);

FIRECAFFE_DECLARE_ACTIVATION(float, Cpu)
FIRECAFFE_DECLARE_ACTIVATION(double, Cpu)
FIRECAFFE_DECLARE_ACTIVATION(float, Cuda)
FIRECAFFE_DECLARE_ACTIVATION(double, Cuda)
FIRECAFFE_DECLARE_ACTIVATION(bfloat16, Cuda)
FIRECAFFE_DECLARE_ACTIVATION(float16, Cuda)
#undef FIRECAFFE_DECLARE_ACTIVATION

}  // namespace firecaffe::ops
