// SPDX-License-Identifier: Apache-2.0
// An update rule of this project's own: Nesterov's momentum, as Caffe writes it. h' = momentum * h + rate * g, and
// w = w - ((1 + momentum) * h' - momentum * h).
#pragma once

#include <array>

#include "firecaffe/optim/optimizer.hpp"

namespace embed {

/// A policy: its state lies outside, in an arena of the parameters' layout, and so comes into checkpoints by itself.
struct Nesterov {
    static constexpr std::array<const char*, 1> kState{"momentum"};
    double momentum = 0.0;

    template <class T>
    void update(const firecaffe::UpdateRange<T>& u) const {
        const T mu = static_cast<T>(momentum), rate = static_cast<T>(u.rate);
        T* history = u.state[0];
        for (std::size_t i = 0; i < u.count; ++i) {
            const T before = history[i];
            history[i] = mu * before + rate * u.gradient(i);
            u.value[i] -= (1 + mu) * history[i] - mu * before;
        }
    }
};

}  // namespace embed
