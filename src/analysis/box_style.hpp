// SPDX-License-Identifier: Apache-2.0
// What fits a box to its lines, and writes them into it.
#pragma once

namespace firecaffe::analysis {

inline constexpr double kLineHeight = 15, kPadding = 8;

}  // namespace firecaffe::analysis
