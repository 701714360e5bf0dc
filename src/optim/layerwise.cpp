// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/layerwise.hpp"

#include "optim/moments.hpp"
#include "optim/norm.hpp"

namespace firecaffe {

template <class T>
void LarsPolicy::update(const UpdateRange<T>& u) const {
    double trust = 1.0;
    if (u.parameter->decay_mult != 0) {
        const double weights = norm(u.count, [&](std::size_t i) { return u.value[i]; });
        const double gradients = norm(u.count, [&](std::size_t i) { return u.mean(i); });
        if (weights > 0 && gradients > 0)
            trust = trust_coefficient * weights / (gradients + static_cast<double>(u.decay) * weights);
    }
    const T mu = static_cast<T>(momentum), rate = static_cast<T>(u.rate * trust);
    T* history = u.state[0];
    for (std::size_t i = 0; i < u.count; ++i) {
        history[i] = mu * history[i] + rate * u.gradient(i);
        u.value[i] -= history[i];
    }
}

template <class T>
void LambPolicy::update(const UpdateRange<T>& u) const {
    const Moments<T> moments(momentum, momentum2, u);
    const T small = static_cast<T>(delta);
    for (std::size_t i = 0; i < u.count; ++i) moments.take(i, u.mean(i));
    const auto direction = [&](std::size_t i) { return moments.ratio(i, small) + u.penalty(i); };
    double trust = 1.0;
    if (u.parameter->decay_mult != 0) {
        const double weights = norm(u.count, [&](std::size_t i) { return u.value[i]; });
        const double length = norm(u.count, direction);
        if (weights > 0 && length > 0) trust = weights / length;
    }
    const T rate = static_cast<T>(u.rate * trust);
    for (std::size_t i = 0; i < u.count; ++i) u.value[i] -= rate * direction(i);
}

template void LarsPolicy::update(const UpdateRange<float>&) const;
template void LarsPolicy::update(const UpdateRange<double>&) const;
template void LambPolicy::update(const UpdateRange<float>&) const;
template void LambPolicy::update(const UpdateRange<double>&) const;
template class PolicyOptimizer<float, Cpu, LarsPolicy>;
template class PolicyOptimizer<double, Cpu, LarsPolicy>;
template class PolicyOptimizer<float, Cpu, LambPolicy>;
template class PolicyOptimizer<double, Cpu, LambPolicy>;

}  // namespace firecaffe
