// SPDX-License-Identifier: Apache-2.0
// IDX, the file format of MNIST and of the sets that imitate it; plain or gzip.
//
// The format (all numbers big-endian): two zero bytes, one byte for the element type, one for the number of axes, then
// one 32-bit extent per axis, then the elements with the last axis fastest. Only unsigned bytes (type 8) are read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/data/dataset.hpp"

namespace firecaffe {

/// The contents of one IDX file.
struct IdxArray {
    Shape shape;                       ///< as stored; the first extent is lowered to `limit`
    std::int64_t records_in_file = 0;  ///< first extent as stored
    std::vector<std::uint8_t> bytes;   ///< shape.count() elements
};

/// Reads a file and keeps its first `limit` records (0: all). The whole file is checked whatever the limit is.
/// Throws MissingInputError if it cannot be opened; DataError with the file, the expected and the found bytes if it is
/// shorter or longer than its header says, DataError for another magic, a damaged gzip stream or extents whose product
/// exceeds 63 bits; IoError if the disk fails; ConfigError for a negative limit.
IdxArray read_idx(const std::string& path, std::int64_t limit = 0);

/// Images and labels from two IDX files, kept in memory as bytes.
/// Images have the axes N, H, W (then C is 1) or N, C, H, W; labels have the axis N. Pixels come out as 0 .. 255.
class IdxDataset : public Dataset {
  public:
    /// Throws as read_idx does; DataError if the files do not fit each other, or if a label is not in [0, classes)
    /// (with its record, counted from 0); ConfigError if classes is not in [1, 256].
    IdxDataset(const std::string& images, const std::string& labels, std::int64_t classes = 10, std::int64_t limit = 0);

    std::size_t size() const override { return labels_.size(); }
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return classes_; }
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    bool has_bytes() const override { return true; }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

  private:
    std::vector<std::uint8_t> pixels_, labels_;
    Shape shape_;
    std::int64_t classes_;
};

}  // namespace firecaffe
