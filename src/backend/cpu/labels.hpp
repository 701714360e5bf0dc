// SPDX-License-Identifier: Apache-2.0
// What the bodies of losses share: walking over predictions, and reading their labels.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cpu/refuse.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/shapes.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// Labels that are plain, one for each of so many predictions.
template <class T>
void require_labels(const char* op, TensorView<const T, Cpu> labels, std::int64_t predictions) {
    require_plain(op, "labels", labels.spec());
    if (labels.count() != predictions)
        throw ShapeError(op, ": ", labels.shape(), " labels for ", predictions, " predictions; give one for each");
}

/// The class number of prediction i, or -1 if it is to be ignored. `positions`: predictions per sample. Compared as T,
/// because no number that is no class need fit into an integer.
template <class T>
std::int64_t checked_label(TensorView<const T, Cpu> labels, std::int64_t i, std::int64_t positions,
                           std::int64_t classes, std::int64_t ignore_label) {
    const T label = labels.data()[i];
    if (ignore_label >= 0 && label == static_cast<T>(ignore_label)) return -1;
    if (label != std::floor(label) || label < 0 || label >= static_cast<T>(classes))
        refuse_label(label, i, positions, classes);
    return static_cast<std::int64_t>(label);
}

/// Calls f(prediction, offset of class 0, stride between classes) in the order of memory.
template <class F>
void for_each_prediction(const Shape& scores, F&& f) {
    const std::int64_t positions = scores.count_from(2);
    for (std::int64_t n = 0; n < scores[0]; ++n)
        for (std::int64_t s = 0; s < positions; ++s) f(n * positions + s, n * scores[1] * positions + s, positions);
}

}  // namespace firecaffe::ops
