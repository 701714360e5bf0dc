// SPDX-License-Identifier: Apache-2.0
// SyntheticDataset: images that need no file and can be learned; for tests, benchmarks and first steps.
#pragma once

#include <cstdint>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

/// Sample `i` has the label i mod classes. Each channel of an image is a coarse pattern of 4 x 4 cells that belongs to
/// its class, in 64 .. 192, plus uniform noise in [-64, 64); pixels therefore lie in [0, 256).
///
/// The patterns depend on the class alone and the noise on (seed, i): two sets with different seeds are a training set
/// and a test set of the same task.
class SyntheticDataset : public Dataset {
  public:
    /// `shape` is C, H, W. Throws ConfigError for a negative count, fewer than one class or an unusable shape.
    SyntheticDataset(std::int64_t count, Shape shape, std::int64_t classes, std::uint64_t seed);

    std::size_t size() const override { return count_; }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return classes_; }
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;

  private:
    std::size_t count_;
    Shape shape_;
    std::int64_t classes_;
    std::uint64_t seed_;
    std::vector<float> patterns_;               ///< class, channel, cell
    std::vector<std::uint32_t> cell_of_pixel_;  ///< h, w -> cell
};

}  // namespace firecaffe
