// SPDX-License-Identifier: Apache-2.0
// What is said of labels and indices that are none: at once on the CPU, and later of those that a GPU met.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "firecaffe/core/error.hpp"

namespace firecaffe::ops {

/// `positions`: predictions per sample.
template <class T>
[[noreturn]] void refuse_label(T label, std::int64_t i, std::int64_t positions, std::int64_t classes) {
    const bool is_whole = label == std::floor(label);  // which a NaN is not
    throw DataError("label ", label, " of sample ", i / positions, " of the batch",
                    positions > 1 ? text(", position ", i % positions, ",") : std::string(),
                    is_whole ? " is outside [0, " : " is no whole number in [0, ", classes,
                    "); fix the labels, or give the last layer more outputs");
}

template <class T>
[[noreturn]] void refuse_index(T index, std::int64_t i, std::int64_t input_dim) {
    throw DataError("index ", index, " at element ", i, " of the batch is no whole number in [0, ", input_dim,
                    "); fix the data, or raise input_dim");
}

}  // namespace firecaffe::ops
