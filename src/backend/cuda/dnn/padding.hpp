// SPDX-License-Identifier: Apache-2.0
// Channels of zeros, where an image has too few for the vectors that a GPU reads.
//
// Channels last, a pixel of an RGB image has 12 bytes of float, or 6 of bfloat16. cuDNN's fast engines read 16 at a
// time; given less, they first copy the whole batch into a layout of their own, in a work space of hundreds of MiB. So
// a convolution of few channels copies x into one with 16 bytes per pixel, which it keeps for the backward pass, and
// gives the weights as many zeros. The zeros change no sum, and their own gradients are dropped.
#pragma once

#include <cstdint>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/shape.hpp"
#include "firecaffe/ops/geometry.hpp"

namespace firecaffe::cuda::dnn {

/// Channels that fill one vector of 16 bytes: 4 of float, 8 of bfloat16 or float16.
constexpr std::int64_t channels_per_vector(DType dtype) {
    return 16 / static_cast<std::int64_t>(size_of(dtype));
}

/// How many channels the convolution should see. More than `input[1]` only where all fit into one vector, which are a
/// net's images; with groups the padding would lie between them, so these stay as they are.
constexpr std::int64_t padded_channels(const ops::ConvolutionGeometry& g, std::int64_t channels, DType dtype) {
    const std::int64_t vector = channels_per_vector(dtype);
    return g.group == 1 && channels > 0 && channels < vector ? vector : channels;
}

/// `input`, N, C, H, W, with padded_channels.
inline Shape padded_input(const ops::ConvolutionGeometry& g, const Shape& input, DType dtype) {
    return {input[0], padded_channels(g, input[1], dtype), input[2], input[3]};
}

}  // namespace firecaffe::cuda::dnn
