// SPDX-License-Identifier: Apache-2.0
// Lengths of messages as nccl-tests takes them: "4K" to "128M", by steps or factors.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::cli {

/// "4096", "4K", "1.5M", "1g": powers of 1024. Throws UsageError, naming the flag, for anything else, for less than a
/// byte and for more than 2^40.
std::size_t parse_byte_size(const char* flag, const std::string& words);

/// From `smallest` to `largest` bytes (-b, -e), in steps of `step` bytes (-i), or each `factor` (-f) times the last.
struct SizeRange {
    std::size_t smallest = 0, largest = 0, step = 0;
    std::size_t factor = 0;  ///< 0: steps
};

/// The sizes in whole elements, each once. Throws UsageError for a smallest size above the largest or below one
/// element, a step of 0, a factor of 1, and more than 10,000 sizes.
std::vector<std::size_t> element_counts(const SizeRange& range, DType dtype);

}  // namespace firecaffe::cli
