// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/momentum.hpp"

namespace firecaffe {

template <class T>
void SgdPolicy::update(const UpdateRange<T>& u) const {
    const T mu = static_cast<T>(momentum), rate = static_cast<T>(u.rate);
    T* history = u.state[0];
    for (std::size_t i = 0; i < u.count; ++i) {
        history[i] = mu * history[i] + rate * u.gradient(i);
        u.value[i] -= history[i];
    }
}

template <class T>
void NesterovPolicy::update(const UpdateRange<T>& u) const {
    const T mu = static_cast<T>(momentum), rate = static_cast<T>(u.rate);
    T* history = u.state[0];
    for (std::size_t i = 0; i < u.count; ++i) {
        const T before = history[i];
        history[i] = mu * before + rate * u.gradient(i);
        u.value[i] -= (1 + mu) * history[i] - mu * before;
    }
}

template void SgdPolicy::update(const UpdateRange<float>&) const;
template void SgdPolicy::update(const UpdateRange<double>&) const;
template void NesterovPolicy::update(const UpdateRange<float>&) const;
template void NesterovPolicy::update(const UpdateRange<double>&) const;
template class PolicyOptimizer<float, Cpu, SgdPolicy>;
template class PolicyOptimizer<double, Cpu, SgdPolicy>;
template class PolicyOptimizer<float, Cpu, NesterovPolicy>;
template class PolicyOptimizer<double, Cpu, NesterovPolicy>;

}  // namespace firecaffe
