// SPDX-License-Identifier: Apache-2.0
// The running moments that Adam, AdamW and LAMB share.
#pragma once

#include <cmath>

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// first = b1 * first + (1 - b1) * g and second = b2 * second + (1 - b2) * g^2, which start from zero.
template <class T>
struct Moments {
    Moments(double b1, double b2, const UpdateRange<T>& u)
        : first(u.state[0]),
          second(u.state[1]),
          first_share(1.0 - std::pow(b1, static_cast<double>(u.iteration + 1))),
          second_share(1.0 - std::pow(b2, static_cast<double>(u.iteration + 1))),
          keep1(static_cast<T>(b1)),
          take1(static_cast<T>(1.0 - b1)),
          keep2(static_cast<T>(b2)),
          take2(static_cast<T>(1.0 - b2)),
          first_correction(static_cast<T>(1.0 / first_share)),
          second_correction(static_cast<T>(1.0 / second_share)) {}

    void take(std::size_t i, T g) const {
        first[i] = keep1 * first[i] + take1 * g;
        second[i] = keep2 * second[i] + take2 * g * g;
    }
    /// The bias-corrected first moment over the root of the bias-corrected second.
    T ratio(std::size_t i, T delta) const {
        return first[i] * first_correction / (std::sqrt(second[i] * second_correction) + delta);
    }

    T* first;
    T* second;
    double first_share,
        second_share;  ///< how much of a moment's weight lies on gradients, not on the zero at the start
    T keep1, take1, keep2, take2, first_correction, second_correction;
};

}  // namespace firecaffe
