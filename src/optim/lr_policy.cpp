// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/lr_policy.hpp"

#include <algorithm>
#include <cmath>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

double policy_rate(const SolverOptions& solver, std::int64_t iteration) {
    using Type = LrPolicyOptions::Type;
    const LrPolicyOptions& policy = solver.lr_policy;
    const double base = effective_base_lr(solver);
    const auto it = static_cast<double>(iteration);
    switch (policy.type) {
        case Type::fixed:
            return base;
        case Type::step:
            return base * std::pow(policy.gamma, static_cast<double>(iteration / policy.stepsize));
        case Type::exp:
            return base * std::pow(policy.gamma, it);
        case Type::inv:
            return base * std::pow(1.0 + policy.gamma * it, -policy.power);
        case Type::multistep: {
            const auto passed = std::upper_bound(policy.stepvalue.begin(), policy.stepvalue.end(), iteration);
            return base * std::pow(policy.gamma, static_cast<double>(passed - policy.stepvalue.begin()));
        }
        case Type::poly:
            return base * std::pow(1.0 - it / static_cast<double>(solver.max_iter), policy.power);
        case Type::sigmoid:
            return base / (1.0 + std::exp(-policy.gamma * (it - static_cast<double>(policy.stepsize))));
    }
    return base;
}

}  // namespace

double effective_base_lr(const SolverOptions& solver) {
    if (solver.lr_scaling == LrScaling::none) return solver.base_lr;
    const double k = static_cast<double>(solver.global_batch) / static_cast<double>(solver.base_batch);
    return solver.base_lr * (solver.lr_scaling == LrScaling::linear ? k : std::sqrt(k));
}

double learning_rate(const SolverOptions& solver, std::int64_t iteration) {
    if (iteration >= solver.warmup_iter) return policy_rate(solver, iteration);
    const double start = solver.warmup_start_lr, end = policy_rate(solver, solver.warmup_iter);
    return start + (end - start) * static_cast<double>(iteration) / static_cast<double>(solver.warmup_iter);
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
    if (solver.warmup_iter < 0 || solver.warmup_iter > solver.max_iter)
        throw ConfigError("solver: warmup_iter is ", solver.warmup_iter, "; give 0 to max_iter, which is ",
                          solver.max_iter);
    if (solver.lr_scaling != LrScaling::none && solver.base_batch < 1)
        throw ConfigError(
            "solver: lr_scaling needs base_batch, the images per update for which base_lr was found; it is ",
            solver.base_batch);
}

}  // namespace firecaffe
