// SPDX-License-Identifier: Apache-2.0
#include "cli/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace firecaffe::cli {

void NameColumns::widen(std::string_view name, std::string_view type) {
    name_ = std::max(name_, name.size());
    type_ = std::max(type_, type.size());
}

std::string NameColumns::text(std::string_view name, std::string_view type) const {
    return fmt::format("{:<{}} {:<{}}", name, name_, type, type_);
}

std::string scaled(double value) {
    static constexpr const char* kPrefixes[] = {"", " k", " M", " G", " T", " P", " E"};
    std::size_t power = 0;
    while (std::abs(value) >= 999.95 && power + 1 < std::size(kPrefixes)) value /= 1000, ++power;
    return fmt::format("{:.4g}{}", value, kPrefixes[power]);
}

}  // namespace firecaffe::cli
