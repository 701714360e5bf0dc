// SPDX-License-Identifier: Apache-2.0
// What losses over class scores share: by what they divide their sum, and which labels fit.
#pragma once

#include <cstdint>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/shape.hpp"
#include "firecaffe/layers/options.hpp"

namespace firecaffe {

/// The divisor for `counted` predictions that count, of `all`, of `samples` in the batch; at least 1, so that a batch
/// in which nothing counts has loss 0.
constexpr double loss_normalizer(LossNormalization normalization, std::int64_t counted, std::int64_t all,
                                 std::int64_t samples) {
    std::int64_t n = 1;
    switch (normalization) {
        case LossNormalization::valid:
            n = counted;
            break;
        case LossNormalization::full:
            n = all;
            break;
        case LossNormalization::batch_size:
            n = samples;
            break;
        case LossNormalization::none:
            n = 1;
            break;
    }
    return static_cast<double>(n < 1 ? 1 : n);
}

/// Throws ShapeError unless there is one label for each of the N x spatial predictions of N x C x spatial scores.
inline void require_label_per_prediction(const Shape& scores, const Shape& labels) {
    const std::int64_t predictions = scores.rank() < 1 ? 0 : scores[0] * scores.count_from(2);
    if (scores.rank() < 2 || labels.count() != predictions)
        throw ShapeError("scores are ", scores, " and labels ", labels, "; there must be one label for each of the ",
                         predictions, " predictions");
}

}  // namespace firecaffe
