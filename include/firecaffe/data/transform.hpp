// SPDX-License-Identifier: Apache-2.0
// Pad, crop, mirror, subtract the mean, scale: in this order, as TransformOptions states it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "firecaffe/data/decorator.hpp"
#include "firecaffe/data/options.hpp"

namespace firecaffe {

enum class TransformMode : std::uint8_t { train, test };

/// Channels, height and width of what comes out, for images of shape `source` (C, H, W).
/// Throws ConfigError for a crop larger than the padded image (with both sizes) and for a negative pad or crop.
Shape transformed_shape(const Shape& source, const TransformOptions& options);

/// What comes out is (x - mean[channel]) * scale; padding counts as x = 0 and is treated so too.
///
/// Train mode: the corner of the crop is uniform over all positions and the image is flipped left-right with
/// probability 1/2 if `mirror` is set. What is drawn is a function of (seed, epoch, sample id) alone, so neither the
/// order, nor threads, nor workers matter. Test mode: the corner is (extent - crop_size) / 2, rounded down; no flip.
class TransformedDataset : public DatasetDecorator {
  public:
    /// Throws what transformed_shape throws, and ConfigError for a number of means other than 0, 1 or C and for means or
    /// a scale that are not finite.
    TransformedDataset(DatasetPtr set, const TransformOptions& options, std::uint64_t seed, TransformMode mode);
    ~TransformedDataset() override;

    Shape shape() const override { return shape_; }
    /// Does not allocate once each reading thread has called it.
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;

  private:
    class ScratchPool;
    struct Placement;
    Placement place(std::uint32_t epoch, std::uint64_t id) const;
    void finish_row(std::span<float> row, std::int64_t channel, bool flip) const;

    Shape source_, shape_;
    std::int64_t pad_;
    bool mirror_;
    std::vector<float> mean_;  ///< one per channel
    float scale_;
    std::uint64_t seed_;
    TransformMode mode_;
    std::unique_ptr<ScratchPool> scratch_;  ///< source images of the threads that read
};

}  // namespace firecaffe
