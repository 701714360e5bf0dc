// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/augment.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

#define FIRECAFFE_DEFINE_AUGMENT(T)                                                                              \
    template <>                                                                                                  \
    void augment<T, Cuda>(std::span<const std::uint8_t> bytes, std::span<const CropPlace> places,                \
                          std::span<const float> mean, const PixelTransform& transform, TensorView<T, Cuda> y) { \
        cuda::augment<T, Cuda>(bytes, places, mean, transform, y);                                               \
    }

FIRECAFFE_DEFINE_AUGMENT(float)
FIRECAFFE_DEFINE_AUGMENT(bfloat16)
FIRECAFFE_DEFINE_AUGMENT(float16)

}  // namespace firecaffe::ops
