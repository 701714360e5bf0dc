// SPDX-License-Identifier: Apache-2.0
// From a user's options, in which one number may stand for both axes, to the sizes that ops are made from.
#include "firecaffe/layers/builtin/convolution.hpp"
#include "firecaffe/layers/builtin/deconvolution.hpp"
#include "firecaffe/layers/builtin/lrn.hpp"
#include "firecaffe/layers/builtin/pooling.hpp"

namespace firecaffe {

namespace {

std::int64_t either(std::int64_t axis, std::int64_t both) { return axis > 0 ? axis : both; }
std::int64_t either_pad(std::int64_t axis, std::int64_t both) { return axis >= 0 ? axis : both; }

void require_positive(std::int64_t value, const char* name) {
    if (value <= 0) throw ConfigError(name, " is ", value, "; state a positive number");
}

}  // namespace

ops::ConvolutionGeometry convolution_geometry(const ConvolutionOptions& options) {
    ops::ConvolutionGeometry g;
    g.num_output = options.num_output;
    g.kernel_h = either(options.kernel_h, options.kernel_size);
    g.kernel_w = either(options.kernel_w, options.kernel_size);
    g.stride_h = either(options.stride_h, options.stride);
    g.stride_w = either(options.stride_w, options.stride);
    g.pad_h = either_pad(options.pad_h, options.pad);
    g.pad_w = either_pad(options.pad_w, options.pad);
    g.dilation_h = g.dilation_w = options.dilation;
    g.group = options.group;
    g.bias = options.bias_term;
    require_positive(g.num_output, "num_output");
    require_positive(g.kernel_h, "kernel_size");
    require_positive(g.kernel_w, "kernel_size");
    require_positive(g.stride_h, "stride");
    require_positive(g.stride_w, "stride");
    require_positive(g.dilation_h, "dilation");
    require_positive(g.group, "group");
    return g;
}

bool is_product_per_pixel(const ConvolutionOptions& o) {
    const auto is_one = [](std::int64_t axis, std::int64_t both) { return either(axis, both) == 1; };
    return o.num_output > 0 && is_one(o.kernel_h, o.kernel_size) && is_one(o.kernel_w, o.kernel_size) &&
           is_one(o.stride_h, o.stride) && is_one(o.stride_w, o.stride) && either_pad(o.pad_h, o.pad) == 0 &&
           either_pad(o.pad_w, o.pad) == 0 && o.dilation == 1 && o.group == 1;
}

DeconvolutionPlan plan_deconvolution(const DeconvolutionOptions& options, const Shape& bottom) {
    ops::ConvolutionGeometry g = convolution_geometry(options);
    const std::int64_t outputs = g.num_output;
    if (bottom.rank() != 4)
        throw ShapeError("the bottom is ", bottom, "; a deconvolution needs four axes, N x C x H x W");
    if (bottom[1] % g.group != 0 || outputs % g.group != 0)
        throw ShapeError("group ", g.group, " does not divide both the ", bottom[1], " channels of the bottom ", bottom,
                         " and num_output ", outputs, "; choose a divisor of both");
    g.num_output = bottom[1];
    g.bias = false;
    const std::int64_t h = g.stride_h * (bottom[2] - 1) + g.dilation_h * (g.kernel_h - 1) + 1 - 2 * g.pad_h;
    const std::int64_t w = g.stride_w * (bottom[3] - 1) + g.dilation_w * (g.kernel_w - 1) + 1 - 2 * g.pad_w;
    if (h < 1 || w < 1)
        throw ShapeError("the bottom is ", bottom, " and the top would be ", h, "x", w, " after a pad of ", g.pad_h,
                         "x", g.pad_w, " is cut off; use a smaller pad or a larger kernel");
    return {g, Shape{bottom[0], outputs, h, w}};
}

ops::PoolingGeometry pooling_geometry(const PoolingOptions& options, const Shape& bottom) {
    ops::PoolingGeometry g;
    g.method = options.pool;
    g.round_mode = options.round_mode;
    g.kernel_h = either(options.kernel_h, options.kernel_size);
    g.kernel_w = either(options.kernel_w, options.kernel_size);
    g.stride_h = either(options.stride_h, options.stride);
    g.stride_w = either(options.stride_w, options.stride);
    g.pad_h = either_pad(options.pad_h, options.pad);
    g.pad_w = either_pad(options.pad_w, options.pad);
    if (options.global_pooling) {
        if (g.kernel_h > 0 || g.kernel_w > 0 || g.pad_h > 0 || g.pad_w > 0 || g.stride_h > 1 || g.stride_w > 1)
            throw ConfigError("global_pooling takes the whole map; remove kernel_size, stride and pad");
        g.kernel_h = bottom[2];
        g.kernel_w = bottom[3];
        g.stride_h = g.stride_w = 1;
    }
    require_positive(g.kernel_h, "kernel_size");
    require_positive(g.kernel_w, "kernel_size");
    require_positive(g.stride_h, "stride");
    require_positive(g.stride_w, "stride");
    if (g.pad_h >= g.kernel_h || g.pad_w >= g.kernel_w)
        throw ConfigError("pad ", g.pad_h, "x", g.pad_w, " must be smaller than the kernel ", g.kernel_h, "x",
                          g.kernel_w);
    return g;
}

ops::LrnParameters lrn_parameters(const LrnOptions& options) {
    if (options.local_size <= 0 || options.local_size % 2 == 0)
        throw ConfigError("local_size is ", options.local_size, "; LRN needs an odd, positive size");
    if (options.norm_region == ops::NormRegion::within_channel && options.k != 1.0)
        throw ConfigError("k is ", options.k, "; within a channel the constant is 1, so leave k out");
    return {options.local_size, options.alpha, options.beta, options.k, options.norm_region};
}

}  // namespace firecaffe
