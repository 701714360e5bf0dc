// SPDX-License-Identifier: Apache-2.0
// Parts of a data set.
#pragma once

#include <cstddef>

#include "firecaffe/data/decorator.hpp"

namespace firecaffe {

/// Samples first .. first+count-1 of the inner set.
class RangeDataset : public DatasetDecorator {
  public:
    /// Throws UsageError if the range does not lie in the set.
    RangeDataset(DatasetPtr set, std::size_t first, std::size_t count);

    std::size_t size() const override { return count_; }
    /// Throws UsageError unless index < size().
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    bool has_bytes() const override { return inner().has_bytes(); }
    Shape byte_shape() const override { return inner().byte_shape(); }
    PixelTransform pixel_transform() const override { return inner().pixel_transform(); }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

  private:
    std::size_t first_, count_;
};

/// Part `part` of `parts` contiguous parts without overlap, whose sizes differ by one at most. A part may be empty.
class ShardedDataset : public RangeDataset {
  public:
    /// Throws UsageError unless part < parts.
    ShardedDataset(DatasetPtr set, std::size_t part, std::size_t parts);
};

}  // namespace firecaffe
