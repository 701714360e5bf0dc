// SPDX-License-Identifier: Apache-2.0
// By what a loss divides its sum.
#pragma once

#include <cstdint>

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

}  // namespace firecaffe
