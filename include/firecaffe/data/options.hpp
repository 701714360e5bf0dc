// SPDX-License-Identifier: Apache-2.0
// Where samples come from and what is done to them. Field names equal the keys in JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe {

/// One data set.
struct DatasetOptions {
    enum class Type : std::uint8_t { idx, image_folder, synthetic, custom };
    enum class ChannelOrder : std::uint8_t { bgr, rgb };
    Type type = Type::idx;
    std::string images{}, labels{};   ///< idx: files, plain or gzip; relative paths count from the config file
    std::string root{};               ///< image_folder: holds a folder of JPEG files per class; counts as above
    std::string list{};               ///< image_folder: file of lines `path label` instead; paths count from root
    std::int64_t warp = 0;            ///< image_folder: side to which each image is warped; 0: all have one size
    bool is_color = true;             ///< image_folder: three channels; false: one, of grey
    ChannelOrder channel_order = ChannelOrder::bgr;  ///< image_folder: of colour images; Caffe's nets expect bgr
    std::int64_t limit = 0;           ///< use the first `limit` samples only; 0: all
    std::int64_t count = 1024;        ///< synthetic: number of samples
    std::vector<std::int64_t> shape{};  ///< synthetic: channels, height, width
    std::int64_t classes = 10;        ///< synthetic, idx, list: labels lie in [0, classes)
    std::string name{};               ///< custom: the name under which the program registered its data set
};

/// True for default options, which stand for "there is no such set".
inline bool is_absent(const DatasetOptions& options) {
    return options.type == DatasetOptions::Type::idx && options.images.empty() && options.labels.empty();
}

/// What is done to an image, in this order: pad, crop, mirror, subtract the mean, scale. In training the crop offset
/// and the mirror are drawn per sample; in testing the crop is central and nothing is mirrored (Caffe's rules).
struct TransformOptions {
    std::int64_t pad = 0;             ///< zeros added on every side before cropping
    std::int64_t crop_size = 0;       ///< 0: no crop
    bool mirror = false;              ///< flip left-right with probability 1/2
    std::vector<double> mean_value{};  ///< one value, or one per channel
    double scale = 1.0;
};

struct DataOptions {
    DatasetOptions train, test;
    TransformOptions transform;
    bool shuffle = true;
    std::int64_t threads = 1;   ///< threads that read and transform
    std::int64_t prefetch = 4;  ///< batches kept ready
};

}  // namespace firecaffe
