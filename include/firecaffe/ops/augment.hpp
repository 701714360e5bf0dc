// SPDX-License-Identifier: Apache-2.0
// From bytes to the images that a net reads, on the device.
#pragma once

#include <cstdint>
#include <span>

#include "firecaffe/core/half.hpp"
#include "firecaffe/tensor/pixels.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// Crops, mirrors, subtracts the mean and scales, as PixelTransform states it: `bytes` are N images of transform.source
/// (N, C, H, W order), `places` the crops of each, `mean` one value per channel, all three in memory of the device; `y`
/// is a plain N x transform.shape. The numbers have the bits that data/transform.hpp gives, rounded once to T.
/// transform.mean is not read: it is the host's. Throws ShapeError, with the extents, for what does not fit.
template <class T, class Device>
void augment(std::span<const std::uint8_t> bytes, std::span<const CropPlace> places, std::span<const float> mean,
             const PixelTransform& transform, TensorView<T, Device> y);

// What the library ships: on the Cpu a data set does it. The bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_AUGMENT(T)                                                                         \
    template <>                                                                                              \
    void augment<T, Cuda>(std::span<const std::uint8_t>, std::span<const CropPlace>, std::span<const float>, \
                          const PixelTransform&, TensorView<T, Cuda>);

FIRECAFFE_DECLARE_AUGMENT(float)
FIRECAFFE_DECLARE_AUGMENT(bfloat16)
FIRECAFFE_DECLARE_AUGMENT(float16)
#undef FIRECAFFE_DECLARE_AUGMENT

}  // namespace firecaffe::ops
