// SPDX-License-Identifier: Apache-2.0
// What the bodies of losses share: walking over predictions, and reading their labels.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/error.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// The class number of prediction i, or -1 if it is to be ignored. `positions`: predictions per sample.
template <class T>
std::int64_t checked_label(TensorView<const T, Cpu> labels, std::int64_t i, std::int64_t positions,
                           std::int64_t classes, std::int64_t ignore_label) {
    const auto label = static_cast<std::int64_t>(labels.data()[i]);
    if (ignore_label >= 0 && label == ignore_label) return -1;
    if (label < 0 || label >= classes)
        throw DataError("label ", label, " of sample ", i / positions, " of the batch",
                        positions > 1 ? text(", position ", i % positions, ",") : std::string(), " is outside [0, ",
                        classes, "); fix the labels, or give the last layer more outputs");
    return label;
}

/// Calls f(prediction, offset of class 0, stride between classes) in the order of memory.
template <class F>
void for_each_prediction(const Shape& scores, F&& f) {
    const std::int64_t positions = scores.count_from(2);
    for (std::int64_t n = 0; n < scores[0]; ++n)
        for (std::int64_t s = 0; s < positions; ++s) f(n * positions + s, n * scores[1] * positions + s, positions);
}

}  // namespace firecaffe::ops
