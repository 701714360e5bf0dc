// SPDX-License-Identifier: Apache-2.0
#include "data/warp.hpp"

#include <algorithm>
#include <vector>

namespace firecaffe::data_detail {

namespace {

/// A place between two pixels of a row or a column: `share` of the second, the rest of the first.
struct Tap {
    std::size_t first, second;
    float share;
};

/// For each of `to` pixels, where it lies among `from` pixels.
std::vector<Tap> taps(std::int64_t from, std::int64_t to) {
    std::vector<Tap> found;
    found.reserve(static_cast<std::size_t>(to));
    const double ratio = static_cast<double>(from) / static_cast<double>(to);
    const double last = static_cast<double>(from - 1);
    for (std::int64_t i = 0; i < to; ++i) {
        const double at = std::clamp((static_cast<double>(i) + 0.5) * ratio - 0.5, 0.0, last);
        const auto first = static_cast<std::size_t>(at);
        const auto second = std::min(first + 1, static_cast<std::size_t>(from - 1));
        found.push_back({first, second, static_cast<float>(at - static_cast<double>(first))});
    }
    return found;
}

float between(float a, float b, float share) {
    return a + (b - a) * share;
}

template <class Value>
Value* copy_plane(const ByteImage& image, const std::uint8_t* plane, Value* next) {
    const auto channels = static_cast<std::size_t>(image.channels);
    for (std::size_t i = 0; i < image.pixels.size(); i += channels) *next++ = plane[i];
    return next;
}

/// The first byte of what comes out as channel `c`.
const std::uint8_t* first_of(const ByteImage& image, std::size_t c, bool reverse) {
    return image.pixels.data() + (reverse ? static_cast<std::size_t>(image.channels) - 1 - c : c);
}

}  // namespace

void write_planes(const ByteImage& image, const Shape& shape, bool reverse, std::span<std::uint8_t> out) {
    std::uint8_t* next = out.data();
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape[0]); ++c)
        next = copy_plane(image, first_of(image, c, reverse), next);
}

void write_planes(const ByteImage& image, const Shape& shape, bool reverse, std::span<float> out) {
    const auto channels = static_cast<std::size_t>(image.channels);
    const auto row_bytes = static_cast<std::size_t>(image.width) * channels;
    const bool same_size = image.height == shape[1] && image.width == shape[2];
    const std::vector<Tap> rows = same_size ? std::vector<Tap>() : taps(image.height, shape[1]);
    const std::vector<Tap> columns = same_size ? std::vector<Tap>() : taps(image.width, shape[2]);
    float* next = out.data();
    for (std::size_t c = 0; c < channels; ++c) {
        const std::uint8_t* plane = first_of(image, c, reverse);
        if (same_size) {
            next = copy_plane(image, plane, next);
            continue;
        }
        for (const Tap& row : rows) {
            const std::uint8_t* upper = plane + row.first * row_bytes;
            const std::uint8_t* lower = plane + row.second * row_bytes;
            for (const Tap& column : columns) {
                const std::size_t left = column.first * channels, right = column.second * channels;
                *next++ = between(between(upper[left], upper[right], column.share),
                                  between(lower[left], lower[right], column.share), row.share);
            }
        }
    }
}

}  // namespace firecaffe::data_detail
