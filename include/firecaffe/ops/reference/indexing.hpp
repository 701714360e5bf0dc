// SPDX-License-Identifier: Apache-2.0
// Where an element of a tensor lies in memory, for any layout. For plain loops that must understand all layouts.
#pragma once

#include <cstdint>

#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::ops::reference {

/// Offset of element (n, c, s), where s counts the positions beyond the channels (h * W + w). In a blocked layout `c`
/// may also be a padding channel. Cheap to copy, no checks.
class ElementIndex {
  public:
    explicit ElementIndex(const TensorSpec& spec)
        : kind_(spec.layout.kind),
          block_(spec.layout.channel_block),
          channels_(kind_ == Layout::Kind::blocked ? (spec.shape[1] + block_ - 1) / block_ * block_ : spec.shape[1]),
          positions_(spec.shape.count_from(2)) {}

    /// Channels in memory: those of the shape, rounded up to whole blocks.
    std::int64_t channels() const { return channels_; }
    std::int64_t positions() const { return positions_; }

    std::int64_t operator()(std::int64_t n, std::int64_t c, std::int64_t s) const {
        switch (kind_) {
            case Layout::Kind::plain:
                break;
            case Layout::Kind::blocked:
                return (n * channels_ + c / block_ * block_) * positions_ + s * block_ + c % block_;
            case Layout::Kind::channels_last:
                return (n * positions_ + s) * channels_ + c;
        }
        return (n * channels_ + c) * positions_ + s;
    }

  private:
    Layout::Kind kind_;
    std::int64_t block_, channels_, positions_;
};

}  // namespace firecaffe::ops::reference
