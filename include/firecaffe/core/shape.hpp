// SPDX-License-Identifier: Apache-2.0
// Shape: up to six extents, in logical order. Images are N, C, H, W everywhere in the API.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

class Shape {
  public:
    static constexpr std::size_t kMaxRank = 6;

    /// The empty shape: rank 0, one element (a scalar).
    Shape() = default;

    /// Throws ShapeError for more than kMaxRank extents or a negative one. Zero is an ordinary extent.
    Shape(std::initializer_list<std::int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}

    explicit Shape(std::span<const std::int64_t> extents);

    std::size_t rank() const { return rank_; }

    /// Extent of one axis; 1 beyond the rank, so that a vector can be read as N, C, 1, 1.
    std::int64_t operator[](std::size_t axis) const { return axis < rank_ ? extents_[axis] : 1; }

    /// Number of elements: the product of the extents.
    std::int64_t count() const { return count_from(0); }

    /// Product of the extents from `axis` on; `count_from(1)` is the number of elements of one sample.
    std::int64_t count_from(std::size_t axis) const {
        std::int64_t product = 1;
        for (std::size_t i = axis; i < rank_; ++i) product *= extents_[i];
        return product;
    }

    /// The same shape with another first extent (batch size).
    Shape with_batch(std::int64_t batch) const {
        Shape other = *this;
        if (other.rank_ == 0) other.rank_ = 1;
        other.extents_[0] = batch;
        return other;
    }

    std::span<const std::int64_t> extents() const { return {extents_.data(), rank_}; }

    friend bool operator==(const Shape& a, const Shape& b) {
        if (a.rank_ != b.rank_) return false;
        for (std::size_t i = 0; i < a.rank_; ++i)
            if (a.extents_[i] != b.extents_[i]) return false;
        return true;
    }

  private:
    std::array<std::int64_t, kMaxRank> extents_{};
    std::size_t rank_ = 0;
};

/// "64x3x28x28", or "scalar".
std::string to_string(const Shape& shape);

}  // namespace firecaffe
