// SPDX-License-Identifier: Apache-2.0
// The version of the library, and of what it was built with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#define FIRECAFFE_VERSION_MAJOR 0
#define FIRECAFFE_VERSION_MINOR 1
#define FIRECAFFE_VERSION_PATCH 0

namespace firecaffe {

inline constexpr const char* kVersion = "0.1.0";

/// Pairs of component and version ("compiler", "OpenSSL"): what this library was built with.
std::vector<std::pair<std::string, std::string>> component_versions();

}  // namespace firecaffe
