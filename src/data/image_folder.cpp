// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/image_folder.hpp"

#include <filesystem>

#include "data/checks.hpp"
#include "data/image_list.hpp"
#include "data/jpeg.hpp"
#include "data/warp.hpp"

namespace firecaffe {

namespace {

void check_options(const DatasetOptions& options) {
    if (options.root.empty())
        throw ConfigError("data of type image_folder: 'root' is missing; name the folder that holds the images");
    if (options.warp < 0)
        throw ConfigError("data of type image_folder: warp ", options.warp, " is negative; use 0 for no warping");
    if (options.limit < 0)
        throw ConfigError("data of type image_folder: limit ", options.limit, " is negative; use 0 for all images");
    if (!options.list.empty() && options.classes < 1)
        throw ConfigError("data of type image_folder: classes ", options.classes, "; give one or more");
}

}  // namespace

ImageFolderDataset::ImageFolderDataset(const DatasetOptions& options)
    : root_(options.root),
      warp_(options.warp),
      channels_(options.is_color ? 3 : 1),
      reverse_(options.channel_order == DatasetOptions::ChannelOrder::bgr) {
    check_options(options);
    data_detail::LabelledImages found = options.list.empty()
                                            ? data_detail::find_in_folders(root_)
                                            : data_detail::read_list(options.list, options.classes, options.limit);
    if (const auto limit = static_cast<std::size_t>(options.limit); limit > 0 && limit < found.files.size()) {
        found.files.resize(limit);
        found.labels.resize(limit);
    }
    files_ = std::move(found.files);
    labels_ = std::move(found.labels);
    classes_ = found.classes;
    const data_detail::ByteImage first = data_detail::read_jpeg(path(0), channels_);
    shape_ = warp_ > 0 ? Shape{channels_, warp_, warp_} : Shape{channels_, first.height, first.width};
    data_detail::check_sample_shape("data of type image_folder", shape_);
}

std::string ImageFolderDataset::path(std::size_t index) const {
    data_detail::check_index("ImageFolderDataset", index, size());
    return (std::filesystem::path(root_) / files_[index]).string();
}

template <class SomeSample>
void ImageFolderDataset::read(std::size_t index, SomeSample& sample) const {
    data_detail::check_get("ImageFolderDataset", index, size(), shape_, sample);
    const std::string file = path(index);
    const data_detail::ByteImage image = data_detail::read_jpeg(file, channels_);
    if (warp_ == 0 && (image.height != shape_[1] || image.width != shape_[2]))
        throw DataError(file, ": ", image.height, 'x', image.width, " pixels, but ", path(0), " has ", shape_[1], 'x',
                        shape_[2], "; state 'warp', the side to which all images are warped");
    data_detail::write_planes(image, shape_, reverse_, sample.pixels);
    sample.label = labels_[index];
    sample.id = index;
}

void ImageFolderDataset::get(std::uint32_t, std::size_t index, Sample& sample) const {
    read(index, sample);
}

void ImageFolderDataset::get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const {
    if (!has_bytes()) return Dataset::get_bytes(epoch, index, sample);
    read(index, sample);
    sample.place = {};
}

}  // namespace firecaffe
