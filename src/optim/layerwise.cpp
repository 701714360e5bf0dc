// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/layerwise.hpp"

#include <cmath>

#include "optim/moments.hpp"

namespace firecaffe {

namespace {

/// L2 norm of element(0), ..., element(count - 1). Element i goes into sum i modulo kSums: one sum alone would wait for
/// each of its additions, and may not be vectorised.
template <class Element>
double norm(std::size_t count, const Element& element) {
    constexpr std::size_t kSums = 8;
    double squares[kSums] = {};
    const auto add = [&](std::size_t i, std::size_t s) {
        const auto x = static_cast<double>(element(i));
        squares[s] += x * x;
    };
    const std::size_t whole = count - count % kSums;
    for (std::size_t i = 0; i < whole; i += kSums)
        for (std::size_t s = 0; s < kSums; ++s) add(i + s, s);
    for (std::size_t i = whole; i < count; ++i) add(i, i - whole);
    double sum = 0.0;
    for (const double s : squares) sum += s;
    return std::sqrt(sum);
}

}  // namespace

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

template class PolicyOptimizer<float, Cpu, LarsPolicy>;
template class PolicyOptimizer<double, Cpu, LarsPolicy>;
template class PolicyOptimizer<float, Cpu, LambPolicy>;
template class PolicyOptimizer<double, Cpu, LambPolicy>;

}  // namespace firecaffe
