// SPDX-License-Identifier: Apache-2.0
// Which libraries compute the ops.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace firecaffe::ops {

/// Pairs of library and version ("oneDNN", "2.6.3"); empty where our own loops compute everything.
std::vector<std::pair<std::string, std::string>> backend_versions();

}  // namespace firecaffe::ops
