// SPDX-License-Identifier: Apache-2.0
// Adam and AdamW. With b1 = momentum, b2 = momentum2 and t = iteration + 1, both keep
//
//   m = b1 * m + (1 - b1) * g,   v = b2 * v + (1 - b2) * g^2
//
// They differ in what g is and in where delta stands. t follows from the iteration, so a resumed run needs no count.
#pragma once

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + delta), with the regularised gradient as g. This is Caffe's
/// Adam (adam_solver.cpp): delta is added to the uncorrected sqrt(v), where PyTorch adds eps to sqrt(v / (1 - b2^t)).
struct AdamPolicy {
    static constexpr std::array<const char*, 2> kState{"first_moment", "second_moment"};
    double momentum = 0.9, momentum2 = 0.999, delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

/// w -= rate * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + delta) + weight_decay * w), with the plain mean gradient as g
/// (Loshchilov and Hutter 2019, in the form that PyTorch computes). With l1, sign(w) stands for the last w.
struct AdamWPolicy {
    static constexpr std::array<const char*, 2> kState{"first_moment", "second_moment"};
    double momentum = 0.9, momentum2 = 0.999, delta = 1e-8;

    template <class T>
    void update(const UpdateRange<T>& u) const;
};

extern template class PolicyOptimizer<float, Cpu, AdamPolicy>;
extern template class PolicyOptimizer<double, Cpu, AdamPolicy>;
extern template class PolicyOptimizer<float, Cpu, AdamWPolicy>;
extern template class PolicyOptimizer<double, Cpu, AdamWPolicy>;

}  // namespace firecaffe
