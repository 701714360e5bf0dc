// SPDX-License-Identifier: Apache-2.0
// The random rule of dropout, shared by every backend, so that all of them drop the same elements.
//
// Element (c, h, w) of a sample has index i = (h*W + w) * ceil4(C) + c, ceil4(C) being C rounded up to a multiple of
// four; it is kept when number i of the sample's stream is at least `threshold(ratio)`. The order (channels fastest,
// in groups of four) lets plain, blocked and channels-last layouts all use each Philox block for four elements.
#pragma once

#include <cstdint>

#include "firecaffe/core/random.hpp"
#include "firecaffe/ops/geometry.hpp"

namespace firecaffe::ops {

/// Numbers below this are dropped: ratio * 2^32, rounded, at most 2^32 - 1.
inline std::uint32_t dropout_threshold(double ratio) {
    const double scaled = ratio * 4294967296.0 + 0.5;  // the conversion to an integer rounds it down
    return scaled >= 4294967295.0 ? 4294967295u : static_cast<std::uint32_t>(scaled);
}

/// The stream of sample `index` of the batch.
inline RandomStream dropout_stream(const DropoutKey& key, std::size_t index) {
    const std::uint64_t sample = key.samples[index] * 0x9E3779B97F4A7C15ull;
    return RandomStream(key.seed ^ (sample << 17), RandomPurpose::dropout, key.step,
                        key.layer ^ static_cast<std::uint32_t>(sample >> 32));
}

}  // namespace firecaffe::ops
