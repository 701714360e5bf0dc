// SPDX-License-Identifier: Apache-2.0
// ImageFolderDataset: JPEG files, in a folder per class or named by a list.
//
// A folder per class: the classes are numbered in the order of their folders' names, and a class's images come in the
// order of the files' names. Names are ordered by their bytes, so "10" comes before "9". Names that start with a dot
// are passed over, and so are files beside the class folders.
//
// A list (Caffe's ImageData): one line `path label` per image, in the order of the lines. The label is what follows the
// last space, so a path may hold spaces. Empty lines are passed over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/data/dataset.hpp"
#include "firecaffe/data/options.hpp"

namespace firecaffe {

/// Images are read and decoded in get(), in the threads of whoever reads, and not kept: decoding costs far less than
/// training on what comes out. Files of 1 (grey) and 3 channels of 8 bits can be read, values are 0 .. 255; what comes
/// out has 3 channels, or 1 where `is_color` is false (then Y = 0.299 R + 0.587 G + 0.114 B).
///
/// With `warp` S every image becomes S x S, whatever its proportions. Pixel x of the result lies at
/// (x + 1/2) * width / S - 1/2 of the image, held within it; its value is interpolated between the four pixels around
/// (OpenCV's INTER_LINEAR, but not rounded; torch's `interpolate` with align_corners=False).
class ImageFolderDataset : public Dataset {
  public:
    /// Reads root, list, classes (with a list only), limit, warp, is_color and channel_order of `options`.
    /// Finds all files and decodes the first. Throws MissingInputError if root, list or the first image cannot be
    /// opened; DataError for a folder without classes, a class without images, a file that is not named .jpg, .jpeg or
    /// .jpe, a list that is empty, a line (with its number) without a label or with one outside of [0, classes), and
    /// what get() throws; ConfigError for values that cannot be meant.
    explicit ImageFolderDataset(const DatasetOptions& options);

    std::size_t size() const override { return files_.size(); }
    /// 3 or 1 channels; the sides are `warp`, or those of the first image.
    Shape shape() const override { return shape_; }
    std::int64_t classes() const override { return classes_; }
    /// Throws MissingInputError if the file cannot be opened; DataError with its name if it is damaged, cut off, empty,
    /// no JPEG, of more than 40 million pixels, 50 scans or 256 MiB, or, without `warp`, of another size than the
    /// first.
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    /// False with `warp`, which makes values between bytes.
    bool has_bytes() const override { return warp_ == 0; }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

    /// The file of sample `index` < size().
    std::string path(std::size_t index) const;

  private:
    template <class SomeSample>
    void read(std::size_t index, SomeSample& sample) const;

    std::string root_;
    std::vector<std::string> files_;  ///< count from root_
    std::vector<std::int64_t> labels_;
    std::int64_t classes_ = 0;
    std::int64_t warp_;
    int channels_;
    bool reverse_;  ///< the last channel that is decoded comes out first
    Shape shape_;
};

}  // namespace firecaffe
