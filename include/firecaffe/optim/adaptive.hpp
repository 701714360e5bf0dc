// SPDX-License-Identifier: Apache-2.0
// Update rules that divide each element's gradient by what it used to be, as Caffe writes them. g is the regularised
// mean gradient.
#pragma once

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// h += g^2;  w -= rate * g / (sqrt(h) + delta)  (adagrad_solver.cpp).
struct AdaGradPolicy {
    static constexpr std::array<const char*, 1> kState{"sum_of_squares"};
    double delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

/// h = rms_decay * h + (1 - rms_decay) * g^2;  w -= rate * g / (sqrt(h) + delta)  (rmsprop_solver.cpp).
struct RmsPropPolicy {
    static constexpr std::array<const char*, 1> kState{"mean_square"};
    double rms_decay = 0.99, delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

/// h = momentum * h + (1 - momentum) * g^2;  d = g * sqrt((s + delta) / (h + delta));
/// s = momentum * s + (1 - momentum) * d^2;  w -= rate * d  (adadelta_solver.cpp: delta is inside both roots).
struct AdaDeltaPolicy {
    static constexpr std::array<const char*, 2> kState{"mean_square", "mean_square_update"};
    double momentum = 0.0, delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

extern template class PolicyOptimizer<float, Cpu, AdaGradPolicy>;
extern template class PolicyOptimizer<double, Cpu, AdaGradPolicy>;
extern template class PolicyOptimizer<float, Cpu, RmsPropPolicy>;
extern template class PolicyOptimizer<double, Cpu, RmsPropPolicy>;
extern template class PolicyOptimizer<float, Cpu, AdaDeltaPolicy>;
extern template class PolicyOptimizer<double, Cpu, AdaDeltaPolicy>;

}  // namespace firecaffe
