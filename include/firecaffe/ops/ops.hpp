// SPDX-License-Identifier: Apache-2.0
// The maths on tensors, declared. Each op is an abstract class and a factory:
//
//   auto op = make_convolution<float, Cpu>(geometry, input_spec);   // negotiates layouts, once, when a net is built
//   op->forward(x, weight, bias, y);                                // called every step; allocates nothing
//
// Bodies: firecaffe/ops/reference/ (plain loops in any T, plain layout: the oracle), src/backend/cpu/ (oneDNN for
// float). An op object is used by one thread at a time. `input` is the spec of the tensor that will be given; the op
// says by output() which shape and layout it will write. Gradients with respect to a tensor have that tensor's spec.
//
// All parameters (weights, biases) and their gradients are in plain layout; a backend packs them as it likes.
// Backward methods WRITE their outputs (they do not accumulate).
//
// T is the type of activations and their gradients: float, double, or, on a GPU, bfloat16 and float16. Parameters,
// their gradients and all constants are Master<T>. In the narrow types an op computes in float, and rounds once what it
// stores.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "firecaffe/core/half.hpp"
#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// y = conv(x, w) + b, as cross-correlation. weight: num_output x C/group x kh x kw; bias: num_output or null.
template <class T, class Device>
class Convolution {
  public:
    virtual ~Convolution() = default;
    virtual TensorSpec output() const = 0;
    /// The weights may be packed into the backend's layout; call it whenever they have changed, before forward. The
    /// memory must stay valid and unchanged until the next call, as a backend may also use it where it lies.
    virtual void set_parameters(const Master<T>* weight, const Master<T>* bias) = 0;
    virtual void forward(TensorView<const T, Device> x, TensorView<T, Device> y) = 0;
    virtual void backward_data(TensorView<const T, Device> dy, TensorView<T, Device> dx) = 0;
    /// `x` as it was in the last forward, if it is the same memory: a backend may have kept a copy in its own layout.
    virtual void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy,
                                     Master<T>* dweight, Master<T>* dbias) = 0;
};
template <class T, class Device>
std::unique_ptr<Convolution<T, Device>> make_convolution(const ConvolutionGeometry&, const TensorSpec& input);

/// y = W x + b over each sample flattened in logical C, H, W order. weight: num_output x (C*H*W); bias or null.
template <class T, class Device>
class InnerProduct {
  public:
    virtual ~InnerProduct() = default;
    virtual TensorSpec output() const = 0;  // N x num_output, plain
    /// As for Convolution; so is `x` of backward_parameters.
    virtual void set_parameters(const Master<T>* weight, const Master<T>* bias) = 0;
    virtual void forward(TensorView<const T, Device> x, TensorView<T, Device> y) = 0;
    virtual void backward_data(TensorView<const T, Device> dy, TensorView<T, Device> dx) = 0;
    virtual void backward_parameters(TensorView<const T, Device> x, TensorView<const T, Device> dy,
                                     Master<T>* dweight, Master<T>* dbias) = 0;
};
template <class T, class Device>
std::unique_ptr<InnerProduct<T, Device>> make_inner_product(std::int64_t num_output, bool bias,
                                                            const TensorSpec& input);

/// Max or average pooling with Caffe's rules (pooled_extent, pooling_window in geometry.hpp). For max pooling the
/// first maximum of a window, in row order, receives the gradient. The op remembers the winners of its last forward.
template <class T, class Device>
class Pooling {
  public:
    virtual ~Pooling() = default;
    virtual TensorSpec output() const = 0;
    virtual void forward(TensorView<const T, Device> x, TensorView<T, Device> y) = 0;
    virtual void backward(TensorView<const T, Device> dy, TensorView<T, Device> dx) = 0;
};
template <class T, class Device>
std::unique_ptr<Pooling<T, Device>> make_pooling(const PoolingGeometry&, const TensorSpec& input);

/// Local response normalisation, y = x * s^-beta with zeros beyond the edges: s = k + alpha/n * sum x^2 over n
/// channels, or k + alpha/n^2 * sum x^2 over n x n positions of one channel (plain layout only).
template <class T, class Device>
class Lrn {
  public:
    virtual ~Lrn() = default;
    virtual TensorSpec output() const = 0;
    virtual void forward(TensorView<const T, Device> x, TensorView<T, Device> y) = 0;
    virtual void backward(TensorView<const T, Device> x, TensorView<const T, Device> y,
                          TensorView<const T, Device> dy, TensorView<T, Device> dx) = 0;
};
template <class T, class Device>
std::unique_ptr<Lrn<T, Device>> make_lrn(const LrnParameters&, const TensorSpec& input);

/// Joins tensors along the channels (axis 1). backward slices dy back into the inputs' gradients.
template <class T, class Device>
class Concat {
  public:
    virtual ~Concat() = default;
    virtual TensorSpec output() const = 0;
    virtual void forward(std::span<const TensorView<const T, Device>> x, TensorView<T, Device> y) = 0;
    /// A dx whose data() is null is not wanted.
    virtual void backward(TensorView<const T, Device> dy, std::span<const TensorView<T, Device>> dx) = 0;
};
template <class T, class Device>
std::unique_ptr<Concat<T, Device>> make_concat(std::span<const TensorSpec> inputs);

/// Copies between layouts of one shape; padding channels of the target are written as zeros.
template <class T, class Device>
class Reorder {
  public:
    virtual ~Reorder() = default;
    virtual void run(TensorView<const T, Device> from, TensorView<T, Device> to) = 0;
};
template <class T, class Device>
std::unique_ptr<Reorder<T, Device>> make_reorder(const TensorSpec& from, const TensorSpec& to);

// Functions without state. All operands of an elementwise function have the same spec (or are flat spans of one
// length); y may be x.

/// y = max(x, 0) + negative_slope * min(x, 0).
template <class T, class Device>
void relu_forward(std::span<const T> x, std::span<T> y, Master<T> negative_slope);
/// dx = dy where y > 0, else negative_slope * dy. Uses the output, so that ReLU can run in place (negative_slope >= 0).
template <class T, class Device>
void relu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, Master<T> negative_slope);

/// y = x * mask / (1 - ratio), where mask is drawn per logical element; see dropout.hpp for the exact rule. The same
/// call with dy in x's place is the backward pass.
template <class T, class Device>
void dropout(TensorView<const T, Device> x, TensorView<T, Device> y, const DropoutKey& key, double ratio);

/// Softmax over axis 1 of plain N x C x spatial scores, in a numerically safe way: p.
template <class T, class Device>
void softmax(TensorView<const T, Device> x, TensorView<T, Device> p);

/// y += x, elementwise, in the order of memory.
template <class T, class Device>
void accumulate(std::span<const T> x, std::span<T> y);
/// y = x.
template <class T, class Device>
void copy(std::span<const T> x, std::span<T> y);
/// y = 0.
template <class T, class Device>
void clear(std::span<T> y);
/// y = x, rounded where To has fewer bits. Between float and bfloat16 or float16, and of one type.
template <class From, class To, class Device>
void convert(std::span<const From> x, std::span<To> y);

// What the library ships. The bodies are explicit specialisations in src/backend; a combination that is not named here
// does not link.
#define FIRECAFFE_DECLARE_OPS(T, Device)                                                                              \
    template <>                                                                                                       \
    std::unique_ptr<Convolution<T, Device>> make_convolution(const ConvolutionGeometry&, const TensorSpec&);          \
    template <>                                                                                                       \
    std::unique_ptr<InnerProduct<T, Device>> make_inner_product(std::int64_t, bool, const TensorSpec&);               \
    template <>                                                                                                       \
    std::unique_ptr<Pooling<T, Device>> make_pooling(const PoolingGeometry&, const TensorSpec&);                      \
    template <>                                                                                                       \
    std::unique_ptr<Lrn<T, Device>> make_lrn(const LrnParameters&, const TensorSpec&);                                \
    template <>                                                                                                       \
    std::unique_ptr<Concat<T, Device>> make_concat(std::span<const TensorSpec>);                                      \
    template <>                                                                                                       \
    std::unique_ptr<Reorder<T, Device>> make_reorder(const TensorSpec&, const TensorSpec&);                           \
    template <>                                                                                                       \
    void relu_forward<T, Device>(std::span<const T>, std::span<T>, Master<T>);                                        \
    template <>                                                                                                       \
    void relu_backward<T, Device>(std::span<const T>, std::span<const T>, std::span<T>, Master<T>);                   \
    template <>                                                                                                       \
    void dropout(TensorView<const T, Device>, TensorView<T, Device>, const DropoutKey&, double);                      \
    template <>                                                                                                       \
    void softmax(TensorView<const T, Device>, TensorView<T, Device>);                                                 \
    template <>                                                                                                       \
    void accumulate<T, Device>(std::span<const T>, std::span<T>);                                                     \
    template <>                                                                                                       \
    void copy<T, Device>(std::span<const T>, std::span<T>);                                                           \
    template <>                                                                                                       \
    void clear<T, Device>(std::span<T>);

FIRECAFFE_DECLARE_OPS(float, Cpu)
FIRECAFFE_DECLARE_OPS(double, Cpu)
FIRECAFFE_DECLARE_OPS(float, Cuda)
FIRECAFFE_DECLARE_OPS(double, Cuda)
FIRECAFFE_DECLARE_OPS(bfloat16, Cuda)
FIRECAFFE_DECLARE_OPS(float16, Cuda)
#undef FIRECAFFE_DECLARE_OPS

#define FIRECAFFE_DECLARE_CONVERT(From, To)                            \
    template <>                                                        \
    void convert<From, To, Cpu>(std::span<const From>, std::span<To>); \
    template <>                                                        \
    void convert<From, To, Cuda>(std::span<const From>, std::span<To>);

FIRECAFFE_DECLARE_CONVERT(float, float)
FIRECAFFE_DECLARE_CONVERT(double, double)
FIRECAFFE_DECLARE_CONVERT(float, bfloat16)
FIRECAFFE_DECLARE_CONVERT(float, float16)
FIRECAFFE_DECLARE_CONVERT(bfloat16, float)
FIRECAFFE_DECLARE_CONVERT(float16, float)
#undef FIRECAFFE_DECLARE_CONVERT

}  // namespace firecaffe::ops
