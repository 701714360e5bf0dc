// SPDX-License-Identifier: Apache-2.0
// Convolutions for the tests of several backends: what is computed, and of which input.
#pragma once

#include <cstdint>

#include "firecaffe/core/shape.hpp"
#include "firecaffe/ops/geometry.hpp"

namespace firecaffe::testing {

struct ConvolutionCase {
    ops::ConvolutionGeometry geometry;
    Shape input;
};

/// A square kernel; the same stride and pad on both axes.
inline ops::ConvolutionGeometry geometry(std::int64_t outputs, std::int64_t kernel, std::int64_t stride = 1,
                                         std::int64_t pad = 0, std::int64_t group = 1) {
    ops::ConvolutionGeometry g;
    g.num_output = outputs;
    g.kernel_h = g.kernel_w = kernel;
    g.stride_h = g.stride_w = stride;
    g.pad_h = g.pad_w = pad;
    g.group = group;
    return g;
}

}  // namespace firecaffe::testing
