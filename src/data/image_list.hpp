// SPDX-License-Identifier: Apache-2.0
// Which image files there are, and their labels; in folders or in a list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe::data_detail {

struct LabelledImages {
    std::vector<std::string> files;  ///< count from the root
    std::vector<std::int64_t> labels;
    std::int64_t classes = 0;
};

/// The images in the class folders of `root`, as data/image_folder.hpp orders them. Throws MissingInputError if `root`
/// cannot be opened; DataError if it has no class folders, if one has no images, or holds something else.
LabelledImages find_in_folders(const std::string& root);

/// The images that the lines `path label` of the file `list` name; at most `limit` of them, 0: all. Throws
/// MissingInputError if it cannot be opened, DataError with the number of a line that cannot be meant.
LabelledImages read_list(const std::string& list, std::int64_t classes, std::int64_t limit);

}  // namespace firecaffe::data_detail
