// SPDX-License-Identifier: Apache-2.0
// A data set of this project's own: noisy stripes in four directions, made up on demand. The class is the direction.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/random.hpp"
#include "firecaffe/data/dataset.hpp"

namespace embed {

class Stripes final : public firecaffe::Dataset {
  public:
    static constexpr std::int64_t kSide = 12;

    /// Different seeds give different images: one seed for training, another one for testing.
    Stripes(std::size_t size, std::uint64_t seed) : size_(size), seed_(seed) {}

    std::size_t size() const override { return size_; }
    firecaffe::Shape shape() const override { return {1, kSide, kSide}; }
    std::int64_t classes() const override { return 4; }

    // A pure function of the index: no state, so any thread may ask at any time.
    void get(std::uint32_t, std::size_t index, firecaffe::Sample& sample) const override {
        if (index >= size_)
            throw firecaffe::DataError("stripes: sample ", index, " of ", size_, "; ask for a smaller index");
        const firecaffe::RandomStream random(seed_, firecaffe::RandomPurpose::user, static_cast<std::uint32_t>(index));
        constexpr std::array<std::array<double, 2>, 4> kDirections{{{0, 1}, {1, 0}, {0.7, 0.7}, {0.7, -0.7}}};
        const std::uint32_t label = random.below(0, 4);
        const double period = 3.0 + 2.0 * random.uniform(1);
        const double phase = 6.283185307179586 * random.uniform(2);
        for (std::int64_t y = 0, i = 0; y < kSide; ++y) {
            for (std::int64_t x = 0; x < kSide; ++x, ++i) {
                const double along =
                    kDirections[label][0] * static_cast<double>(x) + kDirections[label][1] * static_cast<double>(y);
                const double noise = 0.5 * random.normal(static_cast<std::uint64_t>(4 + i));
                sample.pixels[static_cast<std::size_t>(i)] =
                    static_cast<float>(std::sin(6.283185307179586 * along / period + phase) + noise);
            }
        }
        sample.label = label;
        sample.id = index;
    }

  private:
    std::size_t size_;
    std::uint64_t seed_;
};

}  // namespace embed
