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

/// The one value of `test_crops` beside 1.
inline constexpr std::int64_t kTenCrops = 10;

/// Channels, height and width of what comes out, for images of shape `source` (C, H, W).
/// Throws ConfigError for a crop larger than the padded image (with both sizes) and for a negative pad or crop.
Shape transformed_shape(const Shape& source, const TransformOptions& options);

/// What comes out is (x - mean[channel]) * scale; padding counts as x = 0 and is treated so too. Where the inner set
/// has bytes, and they are its samples, so has this one: the image as it is, and where its crop lies.
///
/// Train mode: the corner of the crop is uniform over all positions and the image is flipped left-right with
/// probability 1/2 if `mirror` is set. What is drawn is a function of (seed, epoch, sample id) alone, so neither the
/// order, nor threads, nor workers matter. Test mode: the corner is (extent - crop_size) / 2, rounded down; no flip.
///
/// Test mode with `test_crops` 10 (Krizhevsky et al. 2012, section 4.1): each image makes ten samples in a row, of its
/// label and id: the crops at the corners (top left, top right, bottom left, bottom right) and at the centre, then the
/// same five flipped left-right.
class TransformedDataset : public DatasetDecorator {
  public:
    /// Throws what transformed_shape throws, and ConfigError for a number of means other than 0, 1 or C, for means or a
    /// scale that are not finite, for test_crops other than 1 or 10, and for ten crops (in test mode) that would all be
    /// the whole image.
    TransformedDataset(DatasetPtr set, const TransformOptions& options, std::uint64_t seed, TransformMode mode);
    ~TransformedDataset() override;

    std::size_t size() const override { return inner().size() * crops_; }
    Shape shape() const override { return shape_; }
    /// Does not allocate once each reading thread has called it; nor does get_bytes().
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    bool has_bytes() const override { return has_bytes_; }
    Shape byte_shape() const override { return source_; }
    PixelTransform pixel_transform() const override;
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

  private:
    template <class SomeSample>
    class ScratchPool;
    CropPlace place(std::uint32_t epoch, std::uint64_t id, std::size_t crop) const;
    void finish_row(std::span<float> row, std::int64_t channel, bool flip) const;

    Shape source_, shape_;
    std::int64_t pad_;
    bool mirror_;
    std::vector<float> mean_;  ///< one per channel
    float scale_;
    std::uint64_t seed_;
    TransformMode mode_;
    std::size_t crops_;  ///< per image
    bool has_bytes_;
    // Source images of the threads that read:
    std::unique_ptr<ScratchPool<Sample>> scratch_;
    std::unique_ptr<ScratchPool<ByteSample>> byte_scratch_;
};

}  // namespace firecaffe
