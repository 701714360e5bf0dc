// SPDX-License-Identifier: Apache-2.0
// JPEG files to bytes. libjpeg's errors become DataError.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe::data_detail {

/// An image of bytes: row after row, the channels of a pixel side by side.
struct ByteImage {
    std::int64_t height = 0, width = 0;
    std::int64_t channels = 0;  ///< 3: red, green, blue; 1: grey
    std::vector<std::uint8_t> pixels;
};

/// More pixels or scans than this are taken for an attack: a small file can ask for minutes of work.
inline constexpr std::int64_t kMaxJpegPixels = 40'000'000;
inline constexpr int kMaxJpegScans = 50;
inline constexpr std::uint64_t kMaxJpegBytes = std::uint64_t{256} << 20;

/// The image in file `path`, converted to `channels` (3 or 1). A file whose pixels cannot all be decoded is refused;
/// stray bytes between segments, which cameras leave, are not. Throws MissingInputError if the file cannot be opened,
/// DataError if it is no JPEG, damaged, cut off, empty, too large or of four channels.
ByteImage read_jpeg(const std::string& path, int channels);

}  // namespace firecaffe::data_detail
