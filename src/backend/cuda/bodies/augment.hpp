// SPDX-License-Identifier: Apache-2.0
// Body of ops/augment.hpp.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/augment.hpp"

namespace firecaffe::cuda {

/// Numbers of what comes out, by row and column. Rows are counted through all channels of all images.
class Augmenter {
  public:
    Augmenter(const std::uint8_t* bytes, const CropPlace* places, const float* mean, const PixelTransform& transform)
        : bytes_(bytes),
          places_(places),
          mean_(mean),
          source_rows_(transform.source[1]),
          source_columns_(transform.source[2]),
          pad_(transform.pad),
          channels_(transform.shape[0]),
          rows_(transform.shape[1]),
          columns_(transform.shape[2]),
          scale_(transform.scale) {}

    struct Row {
        const std::uint8_t* source;  ///< the row of the stored image; null: all is padding
        std::int64_t first, step;    ///< what comes out in column x is that of column first + step * x there
        float mean;
    };

    FIRECAFFE_HOST_DEVICE Row row(std::int64_t number) const {
        const Split plane = split(number, rows_);
        const Split image = split(plane.quotient, channels_);
        const CropPlace place = places_[image.quotient];
        const std::int64_t at = plane.remainder + place.top - pad_;
        const bool inside = at >= 0 && at < source_rows_;
        const std::int64_t left = place.left - pad_;
        return {inside ? bytes_ + (plane.quotient * source_rows_ + at) * source_columns_ : nullptr,
                place.flip ? left + columns_.value() - 1 : left, place.flip ? -1 : 1, mean_[image.remainder]};
    }

    /// Whether `count` numbers of a row, from column x on, are all there and none is padding.
    FIRECAFFE_HOST_DEVICE bool all_stored(const Row& row, std::int64_t x, int count) const {
        return row.source != nullptr && x + count <= columns_.value() && is_stored(row.first + row.step * x) &&
               is_stored(row.first + row.step * (x + count - 1));
    }

    FIRECAFFE_HOST_DEVICE float finished(const Row& row, std::uint8_t pixel) const {
        return (static_cast<float>(pixel) - row.mean) * scale_;
    }

    FIRECAFFE_HOST_DEVICE float at(const Row& row, std::int64_t x) const {
        const std::int64_t column = row.first + row.step * x;
        return finished(row, row.source != nullptr && is_stored(column) ? row.source[column] : std::uint8_t{0});
    }

    FIRECAFFE_HOST_DEVICE const Divisor& columns() const { return columns_; }

  private:
    FIRECAFFE_HOST_DEVICE bool is_stored(std::int64_t column) const { return column >= 0 && column < source_columns_; }

    const std::uint8_t* bytes_;
    const CropPlace* places_;
    const float* mean_;
    std::int64_t source_rows_, source_columns_, pad_;
    Divisor channels_, rows_, columns_;
    float scale_;
};

/// Packs of N numbers, the first of which is number `begin`. A pack may reach over the end of a row.
template <int N, class Device, class T>
void augment_packs(const Augmenter& images, T* y, std::int64_t begin, std::int64_t packs) {
    Launch<Device>::for_each(packs, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const std::int64_t first = begin + i * N;
        const Split place = split(first, images.columns());
        std::int64_t number = place.quotient, x = place.remainder;
        Augmenter::Row row = images.row(number);
        Pack<T, N> out;
        if (images.all_stored(row, x, N)) {
            const std::uint8_t* pixels = row.source + row.first + row.step * x;
            for (int k = 0; k < N; ++k) out[k] = images.finished(row, pixels[row.step * k]);
        } else {
            for (int k = 0; k < N; ++k) {
                if (x == images.columns().value()) {
                    row = images.row(++number);
                    x = 0;
                }
                out[k] = images.at(row, x++);
            }
        }
        store(out, y + first);
    });
}

template <class T, class Device>
void augment(std::span<const std::uint8_t> bytes, std::span<const CropPlace> places, std::span<const float> mean,
             const PixelTransform& transform, TensorView<T, Device> y) {
    const auto images = static_cast<std::int64_t>(places.size());
    const Shape &from = transform.source, &to = transform.shape;
    if (from.rank() != 3 || to.rank() != 3 || from[0] != to[0] || static_cast<std::int64_t>(mean.size()) != to[0])
        throw ShapeError("augment: images of ", from, " to ", to, " with ", mean.size(),
                         " means; both are channels, height, width, with as many channels and means");
    if (static_cast<std::int64_t>(bytes.size()) != images * from.count())
        throw ShapeError("augment: ", bytes.size(), " bytes for ", images, " images of ", from, ", which have ",
                         images * from.count());
    if (y.shape() != Shape{images, to[0], to[1], to[2]} || !y.layout().is_plain())
        throw ShapeError("augment: ", images, " images of ", to, " cannot be written to ", to_string(y.spec()),
                         "; it must be plain, and as large");
    constexpr int N = kPack<T>;
    const Augmenter augmenter(bytes.data(), places.data(), mean.data(), transform);
    const std::int64_t packs = is_aligned<N>(y.data()) ? y.count() / N : 0;
    augment_packs<N, Device>(augmenter, y.data(), 0, packs);
    augment_packs<1, Device>(augmenter, y.data(), packs * N, y.count() - packs * N);
}

}  // namespace firecaffe::cuda
