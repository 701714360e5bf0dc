// SPDX-License-Identifier: Apache-2.0
// Helping with misspelt words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace firecaffe::config {

/// "; did you mean 'base_lr'?" if one of `known` is near to `word`, else nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// "a, b or c".
std::string one_of(const std::vector<std::string>& words);

/// Equal without regard to the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b);

}  // namespace firecaffe::config
