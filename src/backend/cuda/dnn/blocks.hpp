// SPDX-License-Identifier: Apache-2.0
// Blocks of pixels as channels: what a convolution of few channels with a stride is made into.
//
// A GPU multiplies matrices, and the first convolution of a net has little to multiply with: 3 channels, padded to 8,
// mostly multiply zeros, and engines for a stride gather their operands slowly. With a stride of s, a block of s x
// s pixels becomes one pixel of s * s * C channels, and of the weights alike; the sum is over the same products, and a
// kernel of k becomes one of ceil(k / s) with a stride of 1. (AlexNet's first convolution: 11 x 11 of 3 channels
// becomes 3 x 3 of 48.) The zeros around an image are written where its blocks are formed.
#pragma once

#include <cstdint>
#include <optional>

#include "backend/cuda/dnn/padding.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda::dnn {

/// An image, or weights, in blocks: rows x columns of them, with `channels` each, of which those behind side * side * C
/// are zeros. Pixel (y, x) lies in block ((y + pad_h) / side, (x + pad_w) / side).
struct Blocks {
    std::int64_t side = 1, pad_h = 0, pad_w = 0;
    std::int64_t rows = 0, columns = 0, channels = 0;

    std::int64_t elements(std::int64_t images) const { return images * rows * columns * channels; }
};

/// A convolution as plans see it, and how its operands become that.
struct BlockedConvolution {
    ops::ConvolutionGeometry geometry;
    Shape input;  ///< N, C, H, W of blocks
    Blocks image, weight;
};

/// None: it stays as it is, since it has no stride, or more channels than an image has.
inline std::optional<BlockedConvolution> in_blocks(const ops::ConvolutionGeometry& g, const Shape& input, DType dtype) {
    constexpr std::int64_t kMostChannels = 4, kMostSide = 4;
    const std::int64_t side = g.stride_h;
    const bool pays = g.group == 1 && g.dilation_h == 1 && g.dilation_w == 1 && g.stride_w == side && side > 1 &&
                      side <= kMostSide && g.kernel_h >= side && g.kernel_w >= side && input[1] > 0 &&
                      input[1] <= kMostChannels && dtype != DType::float64;
    const Shape output = ops::convolution_output(g, input);
    if (!pays || output.count() == 0) return std::nullopt;
    const std::int64_t vector = channels_per_vector(dtype);
    const std::int64_t channels = (side * side * input[1] + vector - 1) / vector * vector;
    BlockedConvolution blocked{.geometry = g, .input = {}, .image = {}, .weight = {}};
    blocked.geometry.kernel_h = (g.kernel_h + side - 1) / side;
    blocked.geometry.kernel_w = (g.kernel_w + side - 1) / side;
    blocked.geometry.stride_h = blocked.geometry.stride_w = 1;
    blocked.geometry.pad_h = blocked.geometry.pad_w = 0;
    blocked.weight = {side, 0, 0, blocked.geometry.kernel_h, blocked.geometry.kernel_w, channels};
    blocked.image = {
        side,    g.pad_h, g.pad_w, output[2] + blocked.geometry.kernel_h - 1, output[3] + blocked.geometry.kernel_w - 1,
        channels};
    blocked.input = {input[0], channels, blocked.image.rows, blocked.image.columns};
    return blocked;
}

/// What the plans of a pass are given in place of `g` and `input`. The gradient of an image is wanted so rarely that it
/// is left without blocks.
struct SeenConvolution {
    ops::ConvolutionGeometry geometry;
    Shape input;
};
inline SeenConvolution seen_by_plans(bool data_gradient, const ops::ConvolutionGeometry& g, const Shape& input,
                                     DType dtype) {
    if (!data_gradient)
        if (const auto blocked = in_blocks(g, input, dtype)) return {blocked->geometry, blocked->input};
    return {g, padded_input(g, input, dtype)};
}

}  // namespace firecaffe::cuda::dnn
