// SPDX-License-Identifier: Apache-2.0
// Update rules for large batches, which give each parameter (each weight or bias tensor) a rate of its own, by the
// norms of the parameter and of its update. Norms are taken over the whole parameter, in double and in an order
// that depends on its size alone, so that they have the same bits on every worker.
//
// A parameter with decay_mult 0, as biases usually have, keeps the common rate; so does one of which a norm is zero.
#pragma once

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// r = trust_coefficient * |w| / (|g| + weight_decay * |w|), with the plain mean gradient g;
/// h = momentum * h + rate * r * (g + weight_decay * w);  w -= h  (You, Gitman and Ginsburg 2017, Algorithm 1).
struct LarsPolicy {
    static constexpr std::array<const char*, 1> kState{"momentum"};
    static constexpr bool kWholeParameters = true;
    double momentum = 0.9, trust_coefficient = 0.001;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

/// The direction of AdamW, d = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + delta) + weight_decay * w, scaled to the length
/// of the parameter: w -= rate * |w| / |d| * d  (You et al. 2020, Algorithm 2, with phi the identity).
struct LambPolicy {
    static constexpr std::array<const char*, 2> kState{"first_moment", "second_moment"};
    static constexpr bool kWholeParameters = true;
    double momentum = 0.9, momentum2 = 0.999, delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

extern template class PolicyOptimizer<float, Cpu, LarsPolicy>;
extern template class PolicyOptimizer<double, Cpu, LarsPolicy>;
extern template class PolicyOptimizer<float, Cpu, LambPolicy>;
extern template class PolicyOptimizer<double, Cpu, LambPolicy>;

}  // namespace firecaffe
