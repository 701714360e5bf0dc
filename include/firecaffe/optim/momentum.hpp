// SPDX-License-Identifier: Apache-2.0
// Update rules with momentum, as Caffe writes them: the rate is inside the buffer, so that after a change of the rate
// old gradients keep the old one (PyTorch's SGD multiplies the buffer by the new rate). g is the regularised mean
// gradient.
#pragma once

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// h = momentum * h + rate * g;  w -= h  (sgd_solver.cpp).
struct SgdPolicy {
    static constexpr std::array<const char*, 1> kState{"momentum"};
    double momentum = 0.0;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

/// h' = momentum * h + rate * g;  w -= (1 + momentum) * h' - momentum * h  (nesterov_solver.cpp).
struct NesterovPolicy {
    static constexpr std::array<const char*, 1> kState{"momentum"};
    double momentum = 0.0;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

extern template class PolicyOptimizer<float, Cpu, SgdPolicy>;
extern template class PolicyOptimizer<double, Cpu, SgdPolicy>;
extern template class PolicyOptimizer<float, Cpu, NesterovPolicy>;
extern template class PolicyOptimizer<double, Cpu, NesterovPolicy>;

}  // namespace firecaffe
