// SPDX-License-Identifier: Apache-2.0
// MemoryDataset: samples that the program already has.
#pragma once

#include <cstdint>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

class MemoryDataset : public Dataset {
  public:
    /// `pixels` holds one sample after the other, each in C, H, W order; `shape` is C, H, W.
    /// Throws ShapeError if `shape` is not three extents or does not fit the number of values and labels; DataError if
    /// a label is not in [0, classes), with its record, counted from 0.
    MemoryDataset(Shape shape, std::int64_t classes, std::vector<float> pixels, std::vector<std::int64_t> labels);

    std::size_t size() const override { return labels_.size(); }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return classes_; }
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;

  private:
    Shape shape_;
    std::int64_t classes_;
    std::vector<float> pixels_;
    std::vector<std::int64_t> labels_;
};

}  // namespace firecaffe
