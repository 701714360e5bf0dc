// SPDX-License-Identifier: Apache-2.0
// Output shapes of the ops, and the checks that every backend makes before it builds or runs one.
//
// The functions named `..._output` are pure: they return the shape that an op writes, or throw. ShapeError says that
// two shapes do not fit and has both; ConfigError names a parameter that no input could make right. The layer that
// calls them adds its name to the message.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops {

namespace detail {

/// "3x5", for kernels and windows.
inline std::string extent_pair(std::int64_t h, std::int64_t w) {
    return text(h, "x", w);
}

inline void require_at_least(const char* op, const char* parameter, std::int64_t value, std::int64_t least) {
    if (value < least) throw ConfigError(op, ": ", parameter, " is ", value, "; it must be at least ", least);
}

inline void require_rank(const char* op, const Shape& input, std::size_t least, std::size_t most) {
    if (input.rank() < least || input.rank() > most)
        throw ShapeError(op, ": input ", input, " has ", input.rank(), " axes; ",
                         least == most ? text(least, " (N, C, H, W)") : text("at least ", least, " (N, C, ...)"),
                         " are needed");
}

}  // namespace detail

/// The backend was given a tensor that is not the one it was built for.
inline void require_spec(const char* op, const char* operand, const TensorSpec& given, const TensorSpec& expected) {
    if (!(given == expected))
        throw ShapeError(op, ": ", operand, " is ", given, " but this op was built for ", expected,
                         "; rebuild the op, or reorder the tensor");
}

/// For ops that read and write plain layout only.
inline void require_plain(const char* op, const char* operand, const TensorSpec& given) {
    if (!given.layout.is_plain())
        throw ShapeError(op, ": ", operand, " is ", given, " but only ", TensorSpec{given.shape, {}},
                         " is read here; reorder it first");
}

/// N x num_output x H' x W'. Input: N, C, H, W, with C and num_output multiples of `group`.
inline Shape convolution_output(const ConvolutionGeometry& g, const Shape& input) {
    constexpr const char* kOp = "convolution";
    detail::require_rank(kOp, input, 4, 4);
    detail::require_at_least(kOp, "num_output", g.num_output, 1);
    detail::require_at_least(kOp, "group", g.group, 1);
    detail::require_at_least(kOp, "kernel", std::min(g.kernel_h, g.kernel_w), 1);
    detail::require_at_least(kOp, "stride", std::min(g.stride_h, g.stride_w), 1);
    detail::require_at_least(kOp, "pad", std::min(g.pad_h, g.pad_w), 0);
    detail::require_at_least(kOp, "dilation", std::min(g.dilation_h, g.dilation_w), 1);
    if (input[1] % g.group != 0 || g.num_output % g.group != 0)
        throw ShapeError(kOp, ": group ", g.group, " does not divide both the ", input[1], " channels of input ", input,
                         " and num_output ", g.num_output, "; choose a divisor of both");
    const std::int64_t h = convolved_extent(input[2], g.kernel_h, g.stride_h, g.pad_h, g.dilation_h);
    const std::int64_t w = convolved_extent(input[3], g.kernel_w, g.stride_w, g.pad_w, g.dilation_w);
    if (h < 1 || w < 1)
        throw ShapeError(kOp, ": kernel ", detail::extent_pair(g.kernel_h, g.kernel_w), " (dilation ",
                         detail::extent_pair(g.dilation_h, g.dilation_w), ") is larger than input ", input,
                         " padded to ", detail::extent_pair(input[2] + 2 * g.pad_h, input[3] + 2 * g.pad_w),
                         "; use a smaller kernel or more padding");
    return {input[0], g.num_output, h, w};
}

/// num_output x C/group x kernel_h x kernel_w, for an input that convolution_output accepts.
inline Shape convolution_weight(const ConvolutionGeometry& g, const Shape& input) {
    return {g.num_output, input[1] / g.group, g.kernel_h, g.kernel_w};
}

/// N x num_output.
inline Shape inner_product_output(std::int64_t num_output, const Shape& input) {
    detail::require_rank("inner product", input, 1, Shape::kMaxRank);
    detail::require_at_least("inner product", "num_output", num_output, 1);
    return {input[0], num_output};
}

/// N x C x H' x W'. Every window covers at least one element of the image, as its maximum and its mean must exist.
inline Shape pooling_output(const PoolingGeometry& g, const Shape& input) {
    constexpr const char* kOp = "pooling";
    detail::require_rank(kOp, input, 4, 4);
    detail::require_at_least(kOp, "kernel", std::min(g.kernel_h, g.kernel_w), 1);
    detail::require_at_least(kOp, "stride", std::min(g.stride_h, g.stride_w), 1);
    detail::require_at_least(kOp, "pad", std::min(g.pad_h, g.pad_w), 0);
    if (g.pad_h >= g.kernel_h || g.pad_w >= g.kernel_w)
        throw ConfigError(kOp, ": pad ", detail::extent_pair(g.pad_h, g.pad_w), " is not smaller than kernel ",
                          detail::extent_pair(g.kernel_h, g.kernel_w),
                          ", so that some windows would be empty; use a smaller pad");
    const std::int64_t h = pooled_extent(input[2], g.kernel_h, g.stride_h, g.pad_h, g.round_mode);
    const std::int64_t w = pooled_extent(input[3], g.kernel_w, g.stride_w, g.pad_w, g.round_mode);
    if (h < 1 || w < 1)
        throw ShapeError(kOp, ": kernel ", detail::extent_pair(g.kernel_h, g.kernel_w), " is larger than input ", input,
                         " padded to ", detail::extent_pair(input[2] + 2 * g.pad_h, input[3] + 2 * g.pad_w),
                         "; use a smaller kernel or more padding");
    if ((h - 1) * g.stride_h - g.pad_h >= input[2] || (w - 1) * g.stride_w - g.pad_w >= input[3])
        throw ShapeError(kOp, ": the last window of output ", detail::extent_pair(h, w), " starts beyond input ", input,
                         " (stride ", detail::extent_pair(g.stride_h, g.stride_w), ", kernel ",
                         detail::extent_pair(g.kernel_h, g.kernel_w), "); use round_mode floor or a smaller stride");
    return {input[0], input[1], h, w};
}

/// The output has the input's shape. `local_size` must be odd. Within a channel there must be maps, N, C, H, W.
inline Shape lrn_output(const LrnParameters& p, const Shape& input) {
    if (p.region == NormRegion::within_channel)
        detail::require_rank("lrn within a channel", input, 4, 4);
    else
        detail::require_rank("lrn", input, 2, Shape::kMaxRank);
    detail::require_at_least("lrn", "local_size", p.local_size, 1);
    if (p.local_size % 2 == 0)
        throw ConfigError("lrn: local_size is ", p.local_size, "; it must be odd, as the window is centred");
    return input;
}

/// For ops that have values of their own for each channel (axis 1).
inline void require_channels(const char* op, const Shape& input) {
    detail::require_rank(op, input, 2, Shape::kMaxRank);
}

/// A channel needs an element, or it has no mean.
inline void require_batch_norm(double eps, const Shape& input) {
    require_channels("batch norm", input);
    if (!(eps >= 0)) throw ConfigError("batch norm: eps is ", eps, "; it must be at least 0");
    if (input[0] * input.count_from(2) == 0)
        throw ShapeError("batch norm: input ", input, " has no elements, so that there is nothing to measure");
}

/// The inputs' extents of `axis` added up, by default of the channels; all other extents must agree.
inline Shape concat_output(std::span<const TensorSpec> inputs, std::size_t axis = 1) {
    if (inputs.empty()) throw ConfigError("concat: no inputs; give at least one");
    const Shape& first = inputs[0].shape;
    detail::require_rank("concat", first, axis + 1, Shape::kMaxRank);
    std::array<std::int64_t, Shape::kMaxRank> extents{};
    for (std::size_t a = 0; a < first.rank(); ++a) extents[a] = first[a];
    for (std::size_t i = 1; i < inputs.size(); ++i) {
        const Shape& other = inputs[i].shape;
        bool fits = other.rank() == first.rank();
        for (std::size_t a = 0; fits && a < first.rank(); ++a) fits = a == axis || other[a] == first[a];
        if (!fits)
            throw ShapeError("concat: input ", i, " is ", other, " but input 0 is ", first,
                             "; all extents but that of axis ", axis, " must agree");
        extents[axis] += other[axis];
    }
    return Shape(std::span<const std::int64_t>(extents.data(), first.rank()));
}

/// Reordering changes the layout only. Blocked and channels-last layouts need a batch and a channel axis.
inline void require_reorderable(const TensorSpec& from, const TensorSpec& to) {
    if (!(from.shape == to.shape))
        throw ShapeError("reorder: from ", from, " to ", to, "; the shapes must be equal, only the layout may change");
    for (const TensorSpec* spec : {&from, &to}) {
        if (spec->layout.kind == Layout::Kind::blocked && spec->layout.channel_block < 1)
            throw ConfigError("reorder: ", *spec, " has a channel block of zero; use 8 or 16");
        if (!spec->layout.is_plain()) detail::require_rank("reorder", spec->shape, 2, Shape::kMaxRank);
    }
}

/// 0 <= ratio < 1, equal specs, and one sample id for each sample of the batch.
inline void require_dropout(const TensorSpec& x, const TensorSpec& y, const DropoutKey& key, double ratio) {
    if (!(ratio >= 0.0 && ratio < 1.0))
        throw ConfigError("dropout: ratio is ", ratio, "; it must be at least 0 and less than 1");
    require_spec("dropout", "y", y, x);
    if (static_cast<std::int64_t>(key.samples.size()) != x.shape[0])
        throw ShapeError("dropout: ", key.samples.size(), " sample ids for input ", x, " of batch ", x.shape[0],
                         "; give one id for each sample");
}

}  // namespace firecaffe::ops
