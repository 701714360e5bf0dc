// SPDX-License-Identifier: Apache-2.0
// Option structs -> JSON, by the tables.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "config/field.hpp"

namespace firecaffe::config {

using OrderedJson = nlohmann::ordered_json;

/// The object that `describe` describes, with all keys that belong to it, in the table's order. Throws ConfigError.
OrderedJson to_json(const std::function<void(Visitor&)>& describe);

}  // namespace firecaffe::config
