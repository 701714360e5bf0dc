// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/activation.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

template <class T>
using In = std::span<const T>;
template <class T>
using Out = std::span<T>;

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_ACTIVATION(T)                                                     \
    template <>                                                                            \
    void sigmoid_forward<T, Cuda>(In<T> x, Out<T> y) {                                     \
        cuda::sigmoid_forward<T, Cuda>(x, y);                                              \
    }                                                                                      \
    template <>                                                                            \
    void sigmoid_backward<T, Cuda>(In<T> y, In<T> dy, Out<T> dx) {                         \
        cuda::sigmoid_backward<T, Cuda>(y, dy, dx);                                        \
    }                                                                                      \
    template <>                                                                            \
    void tanh_forward<T, Cuda>(In<T> x, Out<T> y) {                                        \
        cuda::tanh_forward<T, Cuda>(x, y);                                                 \
    }                                                                                      \
    template <>                                                                            \
    void tanh_backward<T, Cuda>(In<T> y, In<T> dy, Out<T> dx) {                            \
        cuda::tanh_backward<T, Cuda>(y, dy, dx);                                           \
    }                                                                                      \
    template <>                                                                            \
    void elu_forward<T, Cuda>(In<T> x, Out<T> y, Master<T> alpha) {                        \
        cuda::elu_forward<T, Cuda>(x, y, alpha);                                           \
    }                                                                                      \
    template <>                                                                            \
    void elu_backward<T, Cuda>(In<T> y, In<T> dy, Out<T> dx, Master<T> alpha) {            \
        cuda::elu_backward<T, Cuda>(y, dy, dx, alpha);                                     \
    }                                                                                      \
    template <>                                                                            \
    void power_forward<T, Cuda>(In<T> x, Out<T> y, const PowerParameters& p) {             \
        cuda::power_forward<T, Cuda>(x, y, p);                                             \
    }                                                                                      \
    template <>                                                                            \
    void power_backward<T, Cuda>(In<T> x, In<T> dy, Out<T> dx, const PowerParameters& p) { \
        cuda::power_backward<T, Cuda>(x, dy, dx, p);                                       \
    }                                                                                      \
    template <>                                                                            \
    void clear_padding(TensorView<T, Cuda> y) {                                            \
        cuda::clear_padding<T, Cuda>(y);                                                   \
    }

FIRECAFFE_DEFINE_ACTIVATION(float)
FIRECAFFE_DEFINE_ACTIVATION(double)
FIRECAFFE_DEFINE_ACTIVATION(bfloat16)
FIRECAFFE_DEFINE_ACTIVATION(float16)

}  // namespace firecaffe::ops
