// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/adam.hpp"

#include <cmath>

#include "optim/moments.hpp"

namespace firecaffe {

template <class T>
void AdamPolicy::update(const UpdateRange<T>& u) const {
    const Moments<T> moments(momentum, momentum2, u);
    const T rate = static_cast<T>(u.rate * std::sqrt(moments.second_share) / moments.first_share);
    const T small = static_cast<T>(delta);
    for (std::size_t i = 0; i < u.count; ++i) {
        moments.take(i, u.gradient(i));
        u.value[i] -= rate * moments.first[i] / (std::sqrt(moments.second[i]) + small);
    }
}

template <class T>
void AdamWPolicy::update(const UpdateRange<T>& u) const {
    const Moments<T> moments(momentum, momentum2, u);
    const T rate = static_cast<T>(u.rate), small = static_cast<T>(delta);
    for (std::size_t i = 0; i < u.count; ++i) {
        moments.take(i, u.mean(i));
        u.value[i] -= rate * (moments.ratio(i, small) + u.penalty(i));
    }
}

template void AdamPolicy::update(const UpdateRange<float>&) const;
template void AdamPolicy::update(const UpdateRange<double>&) const;
template void AdamWPolicy::update(const UpdateRange<float>&) const;
template void AdamWPolicy::update(const UpdateRange<double>&) const;
template class PolicyOptimizer<float, Cpu, AdamPolicy>;
template class PolicyOptimizer<double, Cpu, AdamPolicy>;
template class PolicyOptimizer<float, Cpu, AdamWPolicy>;
template class PolicyOptimizer<double, Cpu, AdamWPolicy>;

}  // namespace firecaffe
