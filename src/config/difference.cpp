// SPDX-License-Identifier: Apache-2.0
#include "config/json_reader.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

using config::Json;
using config::Path;

std::string described(const Json* value) {
    return value == nullptr ? "nothing" : config::shown(*value);
}

const Json* member(const Json& container, const std::string& key) {
    const auto at = container.find(key);
    return at == container.end() ? nullptr : &*at;
}

/// Depth is bounded by parse_json.
std::string first_difference(const Json* mine, const Json* theirs, Path& path) {
    if (mine != nullptr && theirs != nullptr) {
        if (*mine == *theirs) return "";
        if (mine->is_object() && theirs->is_object()) {
            for (const Json* side : {mine, theirs}) {
                for (const auto& [key, unused] : side->items()) {
                    path.push_back(key);
                    const std::string found = first_difference(member(*mine, key), member(*theirs, key), path);
                    if (!found.empty()) return found;
                    path.pop_back();
                }
            }
        }
        if (mine->is_array() && theirs->is_array()) {
            for (std::size_t i = 0; i < mine->size() && i < theirs->size(); ++i) {
                path.push_back(std::to_string(i));
                const std::string found = first_difference(&(*mine)[i], &(*theirs)[i], path);
                if (!found.empty()) return found;
                path.pop_back();
            }
        }
    }
    return text(config::printable(config::pointer(path)), ": ", described(mine), " here, ", described(theirs),
                " there");
}

}  // namespace

std::string explain_difference(std::string_view mine, std::string_view theirs) {
    const Json here = config::parse_json(mine, "config here"), there = config::parse_json(theirs, "config there");
    Path path;
    return first_difference(&here, &there, path);
}

}  // namespace firecaffe
