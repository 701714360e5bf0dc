// SPDX-License-Identifier: Apache-2.0
#include "cli/image_shape.hpp"

#include <array>
#include <charconv>
#include <optional>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cli {

namespace {

constexpr std::int64_t kMostOfImage = (std::int64_t{1} << 31) - 1, kMostOfBatch = std::int64_t{1} << 40;

/// Three positive numbers with an x between each two.
std::optional<std::array<std::int64_t, 3>> extents_in(const std::string& words) {
    std::array<std::int64_t, 3> extents{};
    const char* at = words.data();
    const char* const end = at + words.size();
    for (std::size_t i = 0; i < extents.size(); ++i) {
        if (i > 0 && (at == end || *at++ != 'x')) return std::nullopt;
        const auto [next, error] = std::from_chars(at, end, extents[i]);
        if (error != std::errc() || extents[i] < 1) return std::nullopt;
        at = next;
    }
    return at == end ? std::optional(extents) : std::nullopt;
}

}  // namespace

Shape parse_image_shape(const char* flag, const std::string& words) {
    const auto extents = extents_in(words);
    if (!extents)
        throw UsageError(flag, " '", words, "' is not the shape of an image; give channels x height x width, ",
                         "for example 3x224x224");
    std::int64_t room = kMostOfImage;
    for (const std::int64_t extent : *extents) room /= extent;
    if (room == 0)
        throw UsageError(flag, " '", words, "' has more than ", kMostOfImage, " values; give a smaller image");
    return Shape{(*extents)[0], (*extents)[1], (*extents)[2]};
}

Shape batch_of_images(std::int64_t batch, const Shape& image) {
    std::int64_t room = kMostOfBatch;
    for (const std::int64_t extent : image.extents()) room /= extent;
    if (batch > room)
        throw UsageError("a batch of ", batch, " images of ", image, " has more than ", kMostOfBatch,
                         " values; lower --batch or give smaller images with --input");
    return Shape{batch, image[0], image[1], image[2]};
}

}  // namespace firecaffe::cli
