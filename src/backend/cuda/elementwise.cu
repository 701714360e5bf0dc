// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/dropout.hpp"
#include "backend/cuda/bodies/elementwise.hpp"
#include "backend/cuda/bodies/loss.hpp"
#include "backend/cuda/launch.cuh"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_ELEMENTWISE(T)                                                                     \
    template <>                                                                                             \
    void relu_forward<T, Cuda>(std::span<const T> x, std::span<T> y, Master<T> negative_slope) {            \
        cuda::relu_forward<T, Cuda>(x, y, negative_slope);                                                  \
    }                                                                                                       \
    template <>                                                                                             \
    void relu_backward<T, Cuda>(std::span<const T> y, std::span<const T> dy, std::span<T> dx,               \
                                Master<T> negative_slope) {                                                 \
        cuda::relu_backward<T, Cuda>(y, dy, dx, negative_slope);                                            \
    }                                                                                                       \
    template <>                                                                                             \
    void dropout(TensorView<const T, Cuda> x, TensorView<T, Cuda> y, const DropoutKey& key, double ratio) { \
        cuda::dropout<T, Cuda>(x, y, key, ratio);                                                           \
    }                                                                                                       \
    template <>                                                                                             \
    void softmax(TensorView<const T, Cuda> x, TensorView<T, Cuda> p) {                                      \
        cuda::softmax<T, Cuda>(x, p);                                                                       \
    }                                                                                                       \
    template <>                                                                                             \
    void accumulate<T, Cuda>(std::span<const T> x, std::span<T> y) {                                        \
        cuda::accumulate<T, Cuda>(x, y);                                                                    \
    }                                                                                                       \
    template <>                                                                                             \
    void copy<T, Cuda>(std::span<const T> x, std::span<T> y) {                                              \
        cuda::copy<T, Cuda>(x, y);                                                                          \
    }                                                                                                       \
    template <>                                                                                             \
    void clear<T, Cuda>(std::span<T> y) {                                                                   \
        cuda::clear<T, Cuda>(y);                                                                            \
    }

FIRECAFFE_DEFINE_ELEMENTWISE(float)
FIRECAFFE_DEFINE_ELEMENTWISE(double)
FIRECAFFE_DEFINE_ELEMENTWISE(bfloat16)
FIRECAFFE_DEFINE_ELEMENTWISE(float16)

#define FIRECAFFE_DEFINE_CONVERT(From, To)                                   \
    template <>                                                              \
    void convert<From, To, Cuda>(std::span<const From> x, std::span<To> y) { \
        cuda::convert<From, To, Cuda>(x, y);                                 \
    }

FIRECAFFE_DEFINE_CONVERT(float, float)
FIRECAFFE_DEFINE_CONVERT(double, double)
FIRECAFFE_DEFINE_CONVERT(float, bfloat16)
FIRECAFFE_DEFINE_CONVERT(float, float16)
FIRECAFFE_DEFINE_CONVERT(bfloat16, float)
FIRECAFFE_DEFINE_CONVERT(float16, float)

}  // namespace firecaffe::ops
