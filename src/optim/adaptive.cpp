// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/adaptive.hpp"

#include <cmath>

namespace firecaffe {

template <class T>
void AdaGradPolicy::update(const UpdateRange<T>& u) const {
    const T rate = static_cast<T>(u.rate), small = static_cast<T>(delta);
    T* sum_of_squares = u.state[0];
    for (std::size_t i = 0; i < u.count; ++i) {
        const T g = u.gradient(i);
        sum_of_squares[i] += g * g;
        u.value[i] -= rate * g / (std::sqrt(sum_of_squares[i]) + small);
    }
}

template <class T>
void RmsPropPolicy::update(const UpdateRange<T>& u) const {
    const T rate = static_cast<T>(u.rate), small = static_cast<T>(delta);
    const T keep = static_cast<T>(rms_decay), take = static_cast<T>(1.0 - rms_decay);
    T* mean_square = u.state[0];
    for (std::size_t i = 0; i < u.count; ++i) {
        const T g = u.gradient(i);
        mean_square[i] = keep * mean_square[i] + take * g * g;
        u.value[i] -= rate * g / (std::sqrt(mean_square[i]) + small);
    }
}

template <class T>
void AdaDeltaPolicy::update(const UpdateRange<T>& u) const {
    const T rate = static_cast<T>(u.rate), small = static_cast<T>(delta);
    const T keep = static_cast<T>(momentum), take = static_cast<T>(1.0 - momentum);
    T* mean_square = u.state[0];
    T* mean_square_update = u.state[1];
    for (std::size_t i = 0; i < u.count; ++i) {
        const T g = u.gradient(i);
        mean_square[i] = keep * mean_square[i] + take * g * g;
        const T d = g * std::sqrt((mean_square_update[i] + small) / (mean_square[i] + small));
        mean_square_update[i] = keep * mean_square_update[i] + take * d * d;
        u.value[i] -= rate * d;
    }
}

template void AdaGradPolicy::update(const UpdateRange<float>&) const;
template void AdaGradPolicy::update(const UpdateRange<double>&) const;
template void RmsPropPolicy::update(const UpdateRange<float>&) const;
template void RmsPropPolicy::update(const UpdateRange<double>&) const;
template void AdaDeltaPolicy::update(const UpdateRange<float>&) const;
template void AdaDeltaPolicy::update(const UpdateRange<double>&) const;
template class PolicyOptimizer<float, Cpu, AdaGradPolicy>;
template class PolicyOptimizer<double, Cpu, AdaGradPolicy>;
template class PolicyOptimizer<float, Cpu, RmsPropPolicy>;
template class PolicyOptimizer<double, Cpu, RmsPropPolicy>;
template class PolicyOptimizer<float, Cpu, AdaDeltaPolicy>;
template class PolicyOptimizer<double, Cpu, AdaDeltaPolicy>;

}  // namespace firecaffe
