// SPDX-License-Identifier: Apache-2.0
// Bytes to the planes of a sample, at the size of the sample.
#pragma once

#include <cstdint>
#include <span>

#include "data/jpeg.hpp"
#include "firecaffe/core/shape.hpp"

namespace firecaffe::data_detail {

/// Writes `image` as C, H, W of `shape`, which has as many channels. An image of another size is warped, as
/// data/image_folder.hpp says. `reverse`: the last channel comes first.
void write_planes(const ByteImage& image, const Shape& shape, bool reverse, std::span<float> out);
/// The same for an image of the very size.
void write_planes(const ByteImage& image, const Shape& shape, bool reverse, std::span<std::uint8_t> out);

}  // namespace firecaffe::data_detail
