// SPDX-License-Identifier: Apache-2.0
// An update rule of this project's own: Lion (Chen et al. 2023), which goes by the sign of a mean gradient. With
// c = b1 * m + (1 - b1) * g it takes m = b2 * m + (1 - b2) * g and w = w - rate * sign(c).
#pragma once

#include <array>

#include "firecaffe/optim/optimizer.hpp"

namespace embed {

/// A policy: its state lies outside, in an arena of the parameters' layout, and so comes into checkpoints by itself.
struct Lion {
    static constexpr std::array<const char*, 1> kState{"mean_gradient"};
    double momentum = 0.9, momentum2 = 0.99;  ///< b1 and b2

    template <class T>
    void update(const firecaffe::UpdateRange<T>& u) const {
        const T b1 = static_cast<T>(momentum), b2 = static_cast<T>(momentum2), rate = static_cast<T>(u.rate);
        T* mean = u.state[0];
        for (std::size_t i = 0; i < u.count; ++i) {
            const T g = u.gradient(i), c = b1 * mean[i] + (1 - b1) * g;
            mean[i] = b2 * mean[i] + (1 - b2) * g;
            u.value[i] -= rate * static_cast<T>((c > 0) - (c < 0));
        }
    }
};

}  // namespace embed
