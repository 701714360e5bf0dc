// SPDX-License-Identifier: Apache-2.0
// Text -> nlohmann::json, with the checks that the library does not make and the positions that it does not keep.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace firecaffe::config {

using Json = nlohmann::json;
/// Keys and indices from the root.
using Path = std::vector<std::string>;

inline constexpr std::size_t kLargestText = std::size_t{1} << 20;
inline constexpr std::size_t kDeepest = 64;

/// RFC 6901; "/" for the root, which is easier to see than nothing.
std::string pointer(const Path& path, std::size_t skip = 0);

/// Parses the whole text. Throws ConfigError "file:line:column: pointer: what"; see config.hpp for what is refused.
Json parse_json(std::string_view text, const std::string& file);

/// Byte offset of the value (or of its key) at `path` in a text that parse_json accepted. Parses again, because
/// positions are wanted only once, for the message of an error.
std::optional<std::size_t> locate(std::string_view text, const Path& path, bool key);

/// Byte offsets of the elements of the array at `path`, all found by parsing once.
std::vector<std::size_t> locate_elements(std::string_view text, const Path& path);

/// "line:column" of a byte offset, both from 1, the column in characters.
std::string line_and_column(std::string_view text, std::size_t offset);

/// One line of printable text, cut to a length that a message can bear.
std::string printable(std::string_view text, std::size_t longest = 120);

/// A value as it may stand in a message.
std::string shown(const Json& value);

}  // namespace firecaffe::config
