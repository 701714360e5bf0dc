// SPDX-License-Identifier: Apache-2.0
// Max pooling where channels lie side by side in memory, compiled for each instruction set. oneDNN 2.6 is
// several times slower at it on AVX2; where channels lie apart, or windows are huge, its own code runs.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops::onednn {

/// True for images (no empty ones) of layouts in which channels lie side by side in whole vectors, and windows of at
/// most 256 elements.
bool max_pooling_fits(const PoolingGeometry& geometry, const TensorSpec& input);

/// Throws what pooling_output() throws.
std::unique_ptr<Pooling<float, Cpu>> make_max_pooling(const PoolingGeometry& geometry, const TensorSpec& input);

/// For a geometry and an input that max_pooling_fits().
struct MaxPoolingJob {
    MaxPoolingJob(const PoolingGeometry& geometry, const TensorSpec& input, const TensorSpec& output);

    /// One axis of a window: where it would start if the image went on beyond its edges, and its part of the image.
    struct Window {
        std::int64_t start, begin, end;
    };

    std::int64_t storage;      ///< elements of x
    std::int64_t width;        ///< channels that lie next to each other at a position
    std::int64_t in_w, plane;  ///< elements: positions of a row; all positions, with their channels
    std::int64_t kernel_w;
    std::vector<Window> rows, columns;  ///< by output row, by output column
    std::vector<std::int64_t> places;   ///< of each element of a window, in elements behind its start
};

/// y = the maximum of each window; winners: which element that was, as its number in the kernel, row by row. The first
/// of equals wins. `winners` has as many elements as y.
void max_pooling_forward(const MaxPoolingJob& job, const float* x, float* y, std::uint8_t* winners);

/// dx = the sum of dy of the windows that an element has won.
void max_pooling_backward(const MaxPoolingJob& job, const float* dy, const std::uint8_t* winners, float* dx);

}  // namespace firecaffe::ops::onednn
