// SPDX-License-Identifier: Apache-2.0
// LRN in tiles that stay in the cache, for every layout, compiled for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firecaffe/ops/geometry.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops::onednn {

struct LrnJob {
    LrnJob(const LrnParameters& parameters, const TensorSpec& spec);

    std::int64_t batch, channels, positions;
    std::int64_t block;        ///< channels that lie next to each other; 0: plain
    std::int64_t sample;       ///< elements from one sample to the next
    std::int64_t window;       ///< local_size
    float k, share, beta;      ///< s = k + share * sum of squares
    float* scratch = nullptr;  ///< lrn_scratch floats, 64-byte aligned
};

std::size_t lrn_scratch(const LrnJob& job);

/// y = x * s^-beta.
void lrn_forward(const LrnJob& job, const float* x, float* y);
/// dx from x and dy alone: y and s are computed again, which costs less than reading them.
void lrn_backward(const LrnJob& job, const float* x, const float* dy, float* dx);

}  // namespace firecaffe::ops::onednn
