// SPDX-License-Identifier: Apache-2.0
// The JSON header of a safetensors file, read strictly: what the format does not state is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/model_io/safetensors.hpp"

namespace firecaffe::model_io {

/// One entry as the header states it; only the syntax has been checked.
struct HeaderEntry {
    std::string name;
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::vector<std::uint64_t> offsets;  ///< begin and end, from the first byte after the header
};

struct Header {
    std::vector<HeaderEntry> entries;
    SafetensorsMetadata metadata;
};

/// Throws DataError, naming `origin`, the entry and the offset in the file (`json` begins at offset 8).
Header parse_header(std::string_view json, const std::string& origin);

}  // namespace firecaffe::model_io
