// SPDX-License-Identifier: Apache-2.0
// Sizes and constants that ops are made from, and Caffe's arithmetic on them (BVLC Caffe 1.0, pooling_layer.cpp and
// base_conv_layer.cpp).
#pragma once

#include <cstdint>
#include <span>

#include "firecaffe/core/shape.hpp"

namespace firecaffe::ops {

struct ConvolutionGeometry {
    std::int64_t num_output = 0;
    std::int64_t kernel_h = 1, kernel_w = 1;
    std::int64_t stride_h = 1, stride_w = 1;
    std::int64_t pad_h = 0, pad_w = 0;
    std::int64_t dilation_h = 1, dilation_w = 1;
    std::int64_t group = 1;
    bool bias = true;
    /// Writes max(y, 0) in y's place, at no cost. The backward methods do not know of it: their dy is the gradient with
    /// respect to y before the maximum, so whoever fuses masks dy first (relu_backward).
    bool relu = false;
};

/// floor((in + 2*pad - (dilation*(kernel-1)+1)) / stride) + 1; zero or less means that the kernel does not fit.
constexpr std::int64_t convolved_extent(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                                        std::int64_t dilation = 1) {
    const std::int64_t reach = in + 2 * pad - (dilation * (kernel - 1) + 1);
    return reach < 0 ? 0 : reach / stride + 1;
}

enum class EltwiseOperation : std::uint8_t { prod, sum, max };
enum class PoolMethod : std::uint8_t { max, average };
enum class RoundMode : std::uint8_t { ceil, floor };

struct PoolingGeometry {
    PoolMethod method = PoolMethod::max;
    std::int64_t kernel_h = 1, kernel_w = 1;
    std::int64_t stride_h = 1, stride_w = 1;
    std::int64_t pad_h = 0, pad_w = 0;
    RoundMode round_mode = RoundMode::ceil;
};

/// Caffe's output extent: ceil (or floor) of (in + 2*pad - kernel) / stride, plus 1; with padding, a last window that
/// would start beyond the padded image is dropped. Rounding up, a kernel may so exceed the padded image by less than the
/// stride: it has one window then. Zero means that the kernel does not fit.
constexpr std::int64_t pooled_extent(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                                     RoundMode mode = RoundMode::ceil) {
    const std::int64_t reach = in + 2 * pad - kernel;
    if (mode == RoundMode::ceil ? reach <= -stride : reach < 0) return 0;
    std::int64_t out = (mode == RoundMode::ceil ? (reach + stride - 1) / stride : reach / stride) + 1;
    if (pad > 0 && (out - 1) * stride >= in + pad) --out;
    return out;
}

/// One axis of a pooling window: [begin, end) inside the image, and the extent that average pooling divides by, which
/// counts padding inside in + pad but not what lies beyond it.
struct PoolingWindow {
    std::int64_t begin, end, divisor;
};
constexpr PoolingWindow pooling_window(std::int64_t out_index, std::int64_t in, std::int64_t kernel,
                                       std::int64_t stride, std::int64_t pad) {
    const std::int64_t start = out_index * stride - pad;
    const std::int64_t padded_end = start + kernel < in + pad ? start + kernel : in + pad;
    return {start > 0 ? start : 0, padded_end < in ? padded_end : in, padded_end - start};
}

/// The neighbours whose squares are summed: local_size channels at one position, or local_size x local_size positions
/// of one channel.
enum class NormRegion : std::uint8_t { across_channels, within_channel };

struct LrnParameters {
    std::int64_t local_size = 5;
    double alpha = 1.0, beta = 0.75, k = 1.0;
    NormRegion region = NormRegion::across_channels;
};

/// How HingeLoss counts a margin that is not kept: as it is, or squared.
enum class HingeNorm : std::uint8_t { l1, l2 };

/// Names the random numbers of one dropout layer in one pass. Sample i of the batch draws from
/// RandomStream(seed, dropout, step, layer ^ hash of samples[i]); see dropout.hpp.
struct DropoutKey {
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t layer = 0;
    std::span<const std::uint64_t> samples;  ///< one id per sample of the batch
};

}  // namespace firecaffe::ops
