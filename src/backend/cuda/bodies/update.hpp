// SPDX-License-Identifier: Apache-2.0
// The update rules of room optim, for parameters on a GPU: one kernel for as many pieces of parameters as fit among its
// arguments. Each rule is written for one element, with what holds for its whole piece worked out before, and gives the
// bits of the rule on the host.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "optim/make_optimizer.hpp"
#include "optim/moments.hpp"
#include "optim/update_parameters.hpp"

namespace firecaffe::cuda {

/// Rule<T, Policy>(policy, range)(i) updates element i of a range.
template <class T, class Policy>
struct Rule;

template <class T>
struct Rule<T, StatisticsRule> {
    UpdateRange<T> u;
    T keep;

    Rule() = default;
    Rule(const StatisticsRule& p, const UpdateRange<T>& range) : u(range), keep(static_cast<T>(p.fraction)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const { u.value[i] = keep * u.value[i] + u.mean(i); }
};

template <class T>
struct Rule<T, SgdPolicy> {
    UpdateRange<T> u;
    T mu, rate;

    Rule() = default;
    Rule(const SgdPolicy& p, const UpdateRange<T>& range)
        : u(range), mu(static_cast<T>(p.momentum)), rate(static_cast<T>(range.rate)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        const T history = mu * u.state[0][i] + rate * u.gradient(i);
        u.state[0][i] = history;
        u.value[i] -= history;
    }
};

template <class T>
struct Rule<T, NesterovPolicy> {
    UpdateRange<T> u;
    T mu, rate;

    Rule() = default;
    Rule(const NesterovPolicy& p, const UpdateRange<T>& range)
        : u(range), mu(static_cast<T>(p.momentum)), rate(static_cast<T>(range.rate)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        const T before = u.state[0][i];
        const T history = mu * before + rate * u.gradient(i);
        u.state[0][i] = history;
        u.value[i] -= (1 + mu) * history - mu * before;
    }
};

template <class T>
struct Rule<T, AdaGradPolicy> {
    UpdateRange<T> u;
    T rate, small;

    Rule() = default;
    Rule(const AdaGradPolicy& p, const UpdateRange<T>& range)
        : u(range), rate(static_cast<T>(range.rate)), small(static_cast<T>(p.delta)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        const T g = u.gradient(i);
        const T sum = u.state[0][i] + g * g;
        u.state[0][i] = sum;
        u.value[i] -= rate * g / (std::sqrt(sum) + small);
    }
};

template <class T>
struct Rule<T, RmsPropPolicy> {
    UpdateRange<T> u;
    T rate, small, keep, take;

    Rule() = default;
    Rule(const RmsPropPolicy& p, const UpdateRange<T>& range)
        : u(range),
          rate(static_cast<T>(range.rate)),
          small(static_cast<T>(p.delta)),
          keep(static_cast<T>(p.rms_decay)),
          take(static_cast<T>(1.0 - p.rms_decay)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        const T g = u.gradient(i);
        const T mean_square = keep * u.state[0][i] + take * g * g;
        u.state[0][i] = mean_square;
        u.value[i] -= rate * g / (std::sqrt(mean_square) + small);
    }
};

template <class T>
struct Rule<T, AdaDeltaPolicy> {
    UpdateRange<T> u;
    T rate, small, keep, take;

    Rule() = default;
    Rule(const AdaDeltaPolicy& p, const UpdateRange<T>& range)
        : u(range),
          rate(static_cast<T>(range.rate)),
          small(static_cast<T>(p.delta)),
          keep(static_cast<T>(p.momentum)),
          take(static_cast<T>(1.0 - p.momentum)) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        const T g = u.gradient(i);
        const T mean_square = keep * u.state[0][i] + take * g * g;
        const T d = g * std::sqrt((u.state[1][i] + small) / (mean_square + small));
        u.state[0][i] = mean_square;
        u.state[1][i] = keep * u.state[1][i] + take * d * d;
        u.value[i] -= rate * d;
    }
};

/// What Adam, AdamW and LAMB share: Moments of room optim, whose functions a kernel cannot call.
template <class T>
struct MomentsRule {
    UpdateRange<T> u;
    T rate, small, keep1, take1, keep2, take2, first_correction, second_correction;

    MomentsRule() = default;
    template <class Policy>
    MomentsRule(const Policy& p, const UpdateRange<T>& range) : u(range), small(static_cast<T>(p.delta)) {
        const Moments<T> moments(p.momentum, p.momentum2, range);
        keep1 = moments.keep1, take1 = moments.take1, keep2 = moments.keep2, take2 = moments.take2;
        first_correction = moments.first_correction, second_correction = moments.second_correction;
        rate = static_cast<T>(range.rate);
        first_share_ = moments.first_share, second_share_ = moments.second_share;
    }
    FIRECAFFE_HOST_DEVICE void take(std::size_t i, T g) const {
        u.state[0][i] = keep1 * u.state[0][i] + take1 * g;
        u.state[1][i] = keep2 * u.state[1][i] + take2 * g * g;
    }
    FIRECAFFE_HOST_DEVICE T ratio(std::size_t i) const {
        return u.state[0][i] * first_correction / (std::sqrt(u.state[1][i] * second_correction) + small);
    }

  protected:
    double first_share_ = 1.0, second_share_ = 1.0;
};

template <class T>
struct Rule<T, AdamPolicy> : MomentsRule<T> {
    Rule() = default;
    Rule(const AdamPolicy& p, const UpdateRange<T>& range) : MomentsRule<T>(p, range) {
        this->rate = static_cast<T>(range.rate * std::sqrt(this->second_share_) / this->first_share_);
    }
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        this->take(i, this->u.gradient(i));
        this->u.value[i] -= this->rate * this->u.state[0][i] / (std::sqrt(this->u.state[1][i]) + this->small);
    }
};

template <class T>
struct Rule<T, AdamWPolicy> : MomentsRule<T> {
    Rule() = default;
    Rule(const AdamWPolicy& p, const UpdateRange<T>& range) : MomentsRule<T>(p, range) {}
    FIRECAFFE_HOST_DEVICE void operator()(std::size_t i) const {
        this->take(i, this->u.mean(i));
        this->u.value[i] -= this->rate * (this->ratio(i) + this->u.penalty(i));
    }
};

/// Rules that need norms are functions of a whole range, which a group of threads computes.
template <class T>
struct Rule<T, LarsPolicy> {
    UpdateRange<T> u;
    T mu;
    double trust_coefficient;
    bool adapts;

    Rule() = default;
    Rule(const LarsPolicy& p, const UpdateRange<T>& range)
        : u(range),
          mu(static_cast<T>(p.momentum)),
          trust_coefficient(p.trust_coefficient),
          adapts(range.parameter->decay_mult != 0) {}
    template <class Team>
    FIRECAFFE_HOST_DEVICE void whole(Team& group) const {
        const UpdateRange<T> range = u;
        const auto count = static_cast<std::int64_t>(range.count);
        double trust = 1.0;
        if (adapts) {
            const double weights = std::sqrt(group.sum(count, [=](std::int64_t k) {
                const auto w = static_cast<double>(range.value[k]);
                return w * w;
            }));
            const double gradients = std::sqrt(group.sum(count, [=](std::int64_t k) {
                const auto g = static_cast<double>(range.mean(static_cast<std::size_t>(k)));
                return g * g;
            }));
            if (weights > 0 && gradients > 0)
                trust = trust_coefficient * weights / (gradients + static_cast<double>(range.decay) * weights);
        }
        const T keep = mu, rate = static_cast<T>(range.rate * trust);
        group.for_each(count, [=](std::int64_t k) {
            const T history = keep * range.state[0][k] + rate * range.gradient(static_cast<std::size_t>(k));
            range.state[0][k] = history;
            range.value[k] -= history;
        });
    }
};

template <class T>
struct Rule<T, LambPolicy> : MomentsRule<T> {
    bool adapts = false;

    Rule() = default;
    Rule(const LambPolicy& p, const UpdateRange<T>& range)
        : MomentsRule<T>(p, range), adapts(range.parameter->decay_mult != 0) {}
    template <class Team>
    FIRECAFFE_HOST_DEVICE void whole(Team& group) const {
        const Rule rule = *this;
        const auto count = static_cast<std::int64_t>(rule.u.count);
        group.for_each(count, [=](std::int64_t k) {
            const auto i = static_cast<std::size_t>(k);
            rule.take(i, rule.u.mean(i));
        });
        const auto direction = [=](std::int64_t k) {
            const auto i = static_cast<std::size_t>(k);
            return rule.ratio(i) + rule.u.penalty(i);
        };
        double trust = 1.0;
        if (rule.adapts) {
            const double weights = std::sqrt(group.sum(count, [=](std::int64_t k) {
                const auto w = static_cast<double>(rule.u.value[k]);
                return w * w;
            }));
            const double length = std::sqrt(group.sum(count, [=](std::int64_t k) {
                const auto d = static_cast<double>(direction(k));
                return d * d;
            }));
            if (weights > 0 && length > 0) trust = weights / length;
        }
        const T scaled = static_cast<T>(rule.u.rate * trust);
        group.for_each(count, [=](std::int64_t k) { rule.u.value[k] -= scaled * direction(k); });
    }
};

/// As many rules as fit among a kernel's arguments, and where the elements of each end.
template <class R>
struct Pieces {
    static constexpr int kMost = 12;

    R rules[kMost];
    std::int64_t ends[kMost];
};

template <class Device, class R>
void launch_whole(const Pieces<R>& pieces, std::int64_t count) {
    Launch<Device>::for_each_group(count, [=] FIRECAFFE_KERNEL(std::int64_t p, Group<Device> & group) {
        R rule = pieces.rules[p];
        if (rule.u.take_decision()) rule.whole(group);
    });
}

template <class Device, class R>
void launch_elements(const Pieces<R>& pieces, std::int64_t elements) {
    Launch<Device>::for_each(elements, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        int p = 0;
        while (i >= pieces.ends[p]) ++p;
        R rule = pieces.rules[p];
        if (rule.u.take_decision()) rule(static_cast<std::size_t>(p == 0 ? i : i - pieces.ends[p - 1]));
    });
}

template <class T, class Device, class Policy>
void run_policy(const Policy& policy, std::span<const UpdateRange<T>> ranges) {
    using R = Rule<T, Policy>;
    for (std::size_t first = 0; first < ranges.size(); first += Pieces<R>::kMost) {
        const std::size_t rest = ranges.size() - first, most = Pieces<R>::kMost;
        const std::size_t count = rest < most ? rest : most;
        Pieces<R> pieces;
        std::int64_t end = 0;
        for (std::size_t i = 0; i < count; ++i) {
            pieces.rules[i] = R(policy, ranges[first + i]);
            pieces.ends[i] = end += static_cast<std::int64_t>(ranges[first + i].count);
        }
        if constexpr (takes_whole_parameters<Policy>)
            launch_whole<Device>(pieces, static_cast<std::int64_t>(count));
        else
            launch_elements<Device>(pieces, end);
    }
}

}  // namespace firecaffe::cuda
