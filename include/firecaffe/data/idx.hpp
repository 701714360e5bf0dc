// SPDX-License-Identifier: Apache-2.0
// IDX, the file format of MNIST and of the sets that imitate it; plain or gzip.
//
// The format (all numbers big-endian): two zero bytes, one byte for the element type, one for the number of axes, then
// one 32-bit extent per axis, then the elements with the last axis fastest. Unsigned bytes and floats are read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

/// Types of elements, by their number in the format.
enum class IdxType : std::uint8_t { unsigned_byte = 8, float32 = 13 };

/// The contents of one IDX file.
struct IdxArray {
    IdxType type = IdxType::unsigned_byte;
    Shape shape;                       ///< as stored; the first extent is lowered to `limit`
    std::int64_t records_in_file = 0;  ///< first extent as stored
    std::vector<std::uint8_t> bytes;   ///< shape.count() elements as they are stored, so floats are big-endian
};

/// Reads a file and keeps its first `limit` records (0: all). The whole file is checked whatever the limit is.
/// Throws MissingInputError if it cannot be opened; DataError with the file, the expected and the found bytes if it is
/// shorter or longer than its header says, DataError for another magic, a damaged gzip stream or extents whose product
/// exceeds 63 bits; IoError if the disk fails; ConfigError for a negative limit.
IdxArray read_idx(const std::string& path, std::int64_t limit = 0);

/// The bytes of a file before its elements. Throws UsageError for a shape without axes or with an extent beyond 32
/// bits.
std::vector<std::uint8_t> idx_header(IdxType type, const Shape& shape);
/// Floats as they are stored.
std::vector<std::uint8_t> idx_floats(std::span<const float> values);

/// Images and labels from two IDX files, kept in memory as they are stored.
/// Images have the axes N, H, W (then C is 1) or N, C, H, W; labels have the axis N and are bytes. Pixels come out as
/// 0 .. 255, or as the floats that the file has: images that were prepared, such as those of `firecaffe whiten`.
class IdxDataset : public Dataset {
  public:
    /// Throws as read_idx does; DataError if the files do not fit each other, if a label is not in [0, classes) or a
    /// pixel is not finite (with its record, counted from 0), or if labels are floats; ConfigError if classes is not in
    /// [1, 256].
    IdxDataset(const std::string& images, const std::string& labels, std::int64_t classes = 10, std::int64_t limit = 0);

    std::size_t size() const override { return labels_.size(); }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return classes_; }
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    /// False for floats.
    bool has_bytes() const override { return type_ == IdxType::unsigned_byte; }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

  private:
    IdxType type_ = IdxType::unsigned_byte;
    std::vector<std::uint8_t> pixels_, labels_;
    Shape shape_;
    std::int64_t classes_;
};

}  // namespace firecaffe
