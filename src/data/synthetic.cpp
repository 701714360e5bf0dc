// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/synthetic.hpp"

#include <algorithm>

#include "data/checks.hpp"
#include "firecaffe/core/random.hpp"

namespace firecaffe {

namespace {

constexpr std::size_t kGrid = 4, kCells = kGrid * kGrid;

/// Patterns and noise are apart because of the stream's first name, whatever the seed is.
enum StreamName : std::uint32_t { kPatternStream = 0, kNoiseStream = 1 };

}  // namespace

SyntheticDataset::SyntheticDataset(std::int64_t count, Shape shape, std::int64_t classes, std::uint64_t seed)
    : count_(static_cast<std::size_t>(count)), shape_(shape), classes_(classes), seed_(seed) {
    if (count < 0) throw ConfigError("synthetic data: count ", count, " is negative; use 0 or more samples");
    if (classes < 1 || classes > data_detail::kMaxSampleValues)
        throw ConfigError("synthetic data: ", classes, " classes; use at least 1, at most 2^31 - 1");
    data_detail::check_sample_shape("synthetic data", shape_);

    // Only classes that occur need a pattern.
    const auto patterns = std::min(count_, static_cast<std::size_t>(classes));
    const std::size_t per_class = static_cast<std::size_t>(shape_[0]) * kCells;
    patterns_.resize(patterns * per_class);
    for (std::size_t k = 0; k < patterns; ++k) {
        const RandomStream stream(0, RandomPurpose::synthetic, kPatternStream, static_cast<std::uint32_t>(k));
        for (std::size_t i = 0; i < per_class; ++i) patterns_[k * per_class + i] = 64.0f + 128.0f * stream.uniform(i);
    }

    const auto height = static_cast<std::size_t>(shape_[1]), width = static_cast<std::size_t>(shape_[2]);
    cell_of_pixel_.resize(height * width);
    for (std::size_t h = 0; h < height; ++h)
        for (std::size_t w = 0; w < width; ++w)
            cell_of_pixel_[h * width + w] = static_cast<std::uint32_t>(h * kGrid / height * kGrid + w * kGrid / width);
}

void SyntheticDataset::get(std::uint32_t, std::size_t index, Sample& sample) const {
    data_detail::check_get("SyntheticDataset", index, size(), shape_, sample);
    const std::size_t label = index % static_cast<std::size_t>(classes_);
    const auto channels = static_cast<std::size_t>(shape_[0]);
    const std::size_t plane = cell_of_pixel_.size();
    const RandomStream noise(seed_, RandomPurpose::synthetic, kNoiseStream, static_cast<std::uint32_t>(index));
    // Indices beyond 32 bits go on in the block counter, whose lower half is enough for any sample.
    const std::uint64_t blocks = std::uint64_t{index} >> 32 << 32;

    RandomBlock draw{};
    std::size_t position = 0;
    for (std::size_t c = 0; c < channels; ++c) {
        const float* pattern = patterns_.data() + (label * channels + c) * kCells;
        for (std::size_t i = 0; i < plane; ++i, ++position) {
            if (position % 4 == 0) draw = noise.block(blocks + position / 4);
            const float uniform = static_cast<float>(draw[position % 4] >> 8) * 0x1p-24f;
            sample.pixels[position] = pattern[cell_of_pixel_[i]] + (uniform - 0.5f) * 128.0f;
        }
    }
    sample.label = static_cast<std::int64_t>(label);
    sample.id = index;
}

}  // namespace firecaffe
