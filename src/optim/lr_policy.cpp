// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/lr_policy.hpp"

#include <algorithm>
#include <cmath>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

double learning_rate(const SolverOptions& solver, std::int64_t iteration) {
    using Type = LrPolicyOptions::Type;
    const LrPolicyOptions& policy = solver.lr_policy;
    const double base = solver.base_lr;
    const auto it = static_cast<double>(iteration);
    switch (policy.type) {
        case Type::fixed: return base;
        case Type::step: return base * std::pow(policy.gamma, static_cast<double>(iteration / policy.stepsize));
        case Type::exp: return base * std::pow(policy.gamma, it);
        case Type::inv: return base * std::pow(1.0 + policy.gamma * it, -policy.power);
        case Type::multistep: {
            const auto passed = std::upper_bound(policy.stepvalue.begin(), policy.stepvalue.end(), iteration);
            return base * std::pow(policy.gamma, static_cast<double>(passed - policy.stepvalue.begin()));
        }
        case Type::poly: return base * std::pow(1.0 - it / static_cast<double>(solver.max_iter), policy.power);
        case Type::sigmoid:
            return base / (1.0 + std::exp(-policy.gamma * (it - static_cast<double>(policy.stepsize))));
    }
    return base;
}

void check_lr_policy(const SolverOptions& solver) {
    using Type = LrPolicyOptions::Type;
    const LrPolicyOptions& policy = solver.lr_policy;
    if ((policy.type == Type::step || policy.type == Type::sigmoid) && policy.stepsize <= 0)
        throw ConfigError("solver: this lr_policy needs a positive stepsize; it is ", policy.stepsize);
    if (policy.type == Type::multistep) {
        if (policy.stepvalue.empty())
            throw ConfigError("solver: lr_policy multistep needs stepvalue, a list of iterations");
        for (std::size_t i = 1; i < policy.stepvalue.size(); ++i)
            if (policy.stepvalue[i] <= policy.stepvalue[i - 1])
                throw ConfigError("solver: stepvalue must increase, but ", policy.stepvalue[i], " follows ",
                                  policy.stepvalue[i - 1]);
    }
    if (policy.type == Type::poly && solver.max_iter <= 0)
        throw ConfigError("solver: lr_policy poly needs a positive max_iter; it is ", solver.max_iter);
}

}  // namespace firecaffe
