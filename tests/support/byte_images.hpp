// SPDX-License-Identifier: Apache-2.0
// Images that are stored as bytes, in memory; and the plain truth of what is made of bytes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "firecaffe/core/random.hpp"
#include "firecaffe/data/dataset.hpp"

namespace firecaffe::testing {

/// `count` images of random bytes; the label of image i is i mod 10.
class ByteImages : public Dataset {
  public:
    ByteImages(std::size_t count, Shape shape) : count_(count), shape_(shape) {
        const RandomStream stream(7, RandomPurpose::synthetic, 9);
        bytes_.resize(count * static_cast<std::size_t>(shape.count()));
        for (std::size_t i = 0; i < bytes_.size(); ++i)
            bytes_[i] = static_cast<std::uint8_t>(256.0f * stream.uniform(static_cast<std::uint64_t>(i)));
    }

    std::size_t size() const override { return count_; }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return 10; }
    void get(std::uint32_t, std::size_t index, Sample& sample) const override { read(index, sample); }
    bool has_bytes() const override { return true; }
    void get_bytes(std::uint32_t, std::size_t index, ByteSample& sample) const override {
        read(index, sample);
        sample.place = {};
    }

    /// How often an image has been read.
    int reads() const { return reads_; }

  private:
    template <class SomeSample>
    void read(std::size_t index, SomeSample& sample) const {
        ++reads_;
        const std::size_t values = sample.pixels.size();
        std::copy_n(bytes_.data() + index * values, values, sample.pixels.data());
        sample.label = static_cast<std::int64_t>(index % 10);
        sample.id = index;
    }

    std::size_t count_;
    Shape shape_;
    std::vector<std::uint8_t> bytes_;
    mutable std::atomic<int> reads_{0};
};

/// Pixels of one image, pixel by pixel as tensor/pixels.hpp says.
inline std::vector<float> made_of(std::span<const std::uint8_t> bytes, const CropPlace& place,
                                  const PixelTransform& transform) {
    const Shape &from = transform.source, &to = transform.shape;
    std::vector<float> out;
    for (std::int64_t c = 0; c < to[0]; ++c)
        for (std::int64_t h = 0; h < to[1]; ++h)
            for (std::int64_t w = 0; w < to[2]; ++w) {
                const std::int64_t y = place.top + h - transform.pad;
                const std::int64_t x = place.left + (place.flip ? to[2] - 1 - w : w) - transform.pad;
                const bool inside = y >= 0 && y < from[1] && x >= 0 && x < from[2];
                const float pixel = inside ? bytes[static_cast<std::size_t>((c * from[1] + y) * from[2] + x)] : 0.0f;
                out.push_back((pixel - transform.mean[static_cast<std::size_t>(c)]) * transform.scale);
            }
    return out;
}

}  // namespace firecaffe::testing
