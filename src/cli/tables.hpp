// SPDX-License-Identifier: Apache-2.0
// What the tables of layers have in common.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace firecaffe::cli {

/// The first two columns of a table of layers, as wide as the longest name and the longest type.
class NameColumns {
  public:
    void widen(std::string_view name, std::string_view type);
    std::string text(std::string_view name, std::string_view type) const;

  private:
    std::size_t name_ = 5, type_ = 4;
};

/// "6.76 T": four digits and the prefix of a thousand's power.
std::string scaled(double value);

}  // namespace firecaffe::cli
