// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/shapes.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "firecaffe/core/error.hpp"

namespace firecaffe::ops {

namespace {

/// "3x5", for kernels and windows.
std::string extent_pair(std::int64_t h, std::int64_t w) {
    return text(h, "x", w);
}

void require_at_least(const char* op, const char* parameter, std::int64_t value, std::int64_t least) {
    if (value < least) throw ConfigError(op, ": ", parameter, " is ", value, "; it must be at least ", least);
}

}  // namespace

void require_rank(const char* op, const Shape& input, std::size_t least, std::size_t most) {
    if (input.rank() < least || input.rank() > most)
        throw ShapeError(op, ": input ", input, " has ", input.rank(), " axes; ",
                         least == most ? text(least, " (N, C, H, W)") : text("at least ", least, " (N, C, ...)"),
                         " are needed");
}

void require_spec(const char* op, const char* operand, const TensorSpec& given, const TensorSpec& expected) {
    if (!(given == expected))
        throw ShapeError(op, ": ", operand, " is ", given, " but this op was built for ", expected,
                         "; rebuild the op, or reorder the tensor");
}

void require_plain(const char* op, const char* operand, const TensorSpec& given) {
    if (!given.layout.is_plain())
        throw ShapeError(op, ": ", operand, " is ", given, " but only ", TensorSpec{given.shape, {}},
                         " is read here; reorder it first");
}

Shape convolution_output(const ConvolutionGeometry& g, const Shape& input) {
    constexpr const char* kOp = "convolution";
    require_rank(kOp, input, 4, 4);
    require_at_least(kOp, "num_output", g.num_output, 1);
    require_at_least(kOp, "group", g.group, 1);
    require_at_least(kOp, "kernel", std::min(g.kernel_h, g.kernel_w), 1);
    require_at_least(kOp, "stride", std::min(g.stride_h, g.stride_w), 1);
    require_at_least(kOp, "pad", std::min(g.pad_h, g.pad_w), 0);
    require_at_least(kOp, "dilation", std::min(g.dilation_h, g.dilation_w), 1);
    if (input[1] % g.group != 0 || g.num_output % g.group != 0)
        throw ShapeError(kOp, ": group ", g.group, " does not divide both the ", input[1], " channels of input ", input,
                         " and num_output ", g.num_output, "; choose a divisor of both");
    const std::int64_t h = convolved_extent(input[2], g.kernel_h, g.stride_h, g.pad_h, g.dilation_h);
    const std::int64_t w = convolved_extent(input[3], g.kernel_w, g.stride_w, g.pad_w, g.dilation_w);
    if (h < 1 || w < 1)
        throw ShapeError(kOp, ": kernel ", extent_pair(g.kernel_h, g.kernel_w), " (dilation ",
                         extent_pair(g.dilation_h, g.dilation_w), ") is larger than input ", input,
                         " padded to ", extent_pair(input[2] + 2 * g.pad_h, input[3] + 2 * g.pad_w),
                         "; use a smaller kernel or more padding");
    return {input[0], g.num_output, h, w};
}

Shape convolution_weight(const ConvolutionGeometry& g, const Shape& input) {
    return {g.num_output, input[1] / g.group, g.kernel_h, g.kernel_w};
}

Shape inner_product_output(std::int64_t num_output, const Shape& input) {
    require_rank("inner product", input, 1, Shape::kMaxRank);
    require_at_least("inner product", "num_output", num_output, 1);
    return {input[0], num_output};
}

Shape pooling_output(const PoolingGeometry& g, const Shape& input) {
    constexpr const char* kOp = "pooling";
    require_rank(kOp, input, 4, 4);
    require_at_least(kOp, "kernel", std::min(g.kernel_h, g.kernel_w), 1);
    require_at_least(kOp, "stride", std::min(g.stride_h, g.stride_w), 1);
    require_at_least(kOp, "pad", std::min(g.pad_h, g.pad_w), 0);
    if (g.pad_h >= g.kernel_h || g.pad_w >= g.kernel_w)
        throw ConfigError(kOp, ": pad ", extent_pair(g.pad_h, g.pad_w), " is not smaller than kernel ",
                          extent_pair(g.kernel_h, g.kernel_w),
                          ", so that some windows would be empty; use a smaller pad");
    const std::int64_t h = pooled_extent(input[2], g.kernel_h, g.stride_h, g.pad_h, g.round_mode);
    const std::int64_t w = pooled_extent(input[3], g.kernel_w, g.stride_w, g.pad_w, g.round_mode);
    if (h < 1 || w < 1)
        throw ShapeError(kOp, ": kernel ", extent_pair(g.kernel_h, g.kernel_w), " is larger than input ", input,
                         " padded to ", extent_pair(input[2] + 2 * g.pad_h, input[3] + 2 * g.pad_w),
                         "; use a smaller kernel or more padding");
    if ((h - 1) * g.stride_h - g.pad_h >= input[2] || (w - 1) * g.stride_w - g.pad_w >= input[3])
        throw ShapeError(kOp, ": the last window of output ", extent_pair(h, w), " starts beyond input ", input,
                         " (stride ", extent_pair(g.stride_h, g.stride_w), ", kernel ",
                         extent_pair(g.kernel_h, g.kernel_w), "); use round_mode floor or a smaller stride");
    return {input[0], input[1], h, w};
}

Shape lrn_output(const LrnParameters& p, const Shape& input) {
    if (p.region == NormRegion::within_channel)
        require_rank("lrn within a channel", input, 4, 4);
    else
        require_rank("lrn", input, 2, Shape::kMaxRank);
    require_at_least("lrn", "local_size", p.local_size, 1);
    if (p.local_size % 2 == 0)
        throw ConfigError("lrn: local_size is ", p.local_size, "; it must be odd, as the window is centred");
    return input;
}

void require_channels(const char* op, const Shape& input) {
    require_rank(op, input, 2, Shape::kMaxRank);
}

void require_batch_norm(double eps, const Shape& input) {
    require_channels("batch norm", input);
    if (!(eps >= 0)) throw ConfigError("batch norm: eps is ", eps, "; it must be at least 0");
    if (input[0] * input.count_from(2) == 0)
        throw ShapeError("batch norm: input ", input, " has no elements, so that there is nothing to measure");
}

Shape concat_output(std::span<const TensorSpec> inputs, std::size_t axis) {
    if (inputs.empty()) throw ConfigError("concat: no inputs; give at least one");
    const Shape& first = inputs[0].shape;
    require_rank("concat", first, axis + 1, Shape::kMaxRank);
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

void require_reorderable(const TensorSpec& from, const TensorSpec& to) {
    if (!(from.shape == to.shape))
        throw ShapeError("reorder: from ", from, " to ", to, "; the shapes must be equal, only the layout may change");
    for (const TensorSpec* spec : {&from, &to}) {
        if (spec->layout.kind == Layout::Kind::blocked && spec->layout.channel_block < 1)
            throw ConfigError("reorder: ", *spec, " has a channel block of zero; use 8 or 16");
        if (!spec->layout.is_plain()) require_rank("reorder", spec->shape, 2, Shape::kMaxRank);
    }
}

void require_dropout(const TensorSpec& x, const TensorSpec& y, const DropoutKey& key, double ratio) {
    if (!(ratio >= 0.0 && ratio < 1.0))
        throw ConfigError("dropout: ratio is ", ratio, "; it must be at least 0 and less than 1");
    require_spec("dropout", "y", y, x);
    if (static_cast<std::int64_t>(key.samples.size()) != x.shape[0])
        throw ShapeError("dropout: ", key.samples.size(), " sample ids for input ", x, " of batch ", x.shape[0],
                         "; give one id for each sample");
}

}  // namespace firecaffe::ops
