// SPDX-License-Identifier: Apache-2.0
// What losses over class scores share: by what they divide their sum, and which labels fit.
#pragma once

#include <cstdint>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/shape.hpp"
#include "firecaffe/layers/options.hpp"
#include "firecaffe/ops/loss_sum.hpp"

namespace firecaffe {

/// The divisor for ops::mean_loss and ops::LossScale, where there are `all` predictions for `samples` in the batch.
constexpr std::int64_t loss_divisor(LossNormalization normalization, std::int64_t all, std::int64_t samples) {
    switch (normalization) {
        case LossNormalization::valid:
            return ops::kDivideByCounted;
        case LossNormalization::full:
            return all;
        case LossNormalization::batch_size:
            return samples;
        case LossNormalization::none:
            break;
    }
    return 1;
}

/// Throws ShapeError unless there is one label for each of the N x spatial predictions of N x C x spatial scores.
inline void require_label_per_prediction(const Shape& scores, const Shape& labels) {
    const std::int64_t predictions = scores.rank() < 1 ? 0 : scores[0] * scores.count_from(2);
    if (scores.rank() < 2 || labels.count() != predictions)
        throw ShapeError("scores are ", scores, " and labels ", labels, "; there must be one label for each of the ",
                         predictions, " predictions");
}

}  // namespace firecaffe
