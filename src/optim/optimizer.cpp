// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/optimizer.hpp"

#include <cmath>

#include "firecaffe/core/error.hpp"
#include "firecaffe/optim/lr_policy.hpp"

namespace firecaffe {

template class PolicyOptimizer<float, Cpu, SgdPolicy>;
template class PolicyOptimizer<double, Cpu, SgdPolicy>;

template <class T>
double clip_factor(double limit, const ArenaLayout& layout, std::span<const T> gradient_sums, double scale) {
    if (limit < 0) return 1.0;
    double squares = 0.0;
    for (const ParameterInfo& p : layout.parameters()) {
        if (p.is_statistic()) continue;
        for (const T g : gradient_sums.subspan(p.offset, p.count))
            squares += static_cast<double>(g) * static_cast<double>(g);
    }
    const double norm = std::sqrt(squares) * scale;
    return norm > limit ? limit / norm : 1.0;
}

template double clip_factor(double, const ArenaLayout&, std::span<const float>, double);
template double clip_factor(double, const ArenaLayout&, std::span<const double>, double);

template <class T, class Device>
std::unique_ptr<Optimizer<T, Device>> make_optimizer(const SolverOptions& solver, const ArenaLayout& layout) {
    check_lr_policy(solver);
    switch (solver.type) {
        case SolverOptions::Type::sgd:
            return std::make_unique<PolicyOptimizer<T, Device, SgdPolicy>>(SgdPolicy{solver.momentum}, layout, solver);
    }
    throw ConfigError("solver: unknown type number ", static_cast<int>(solver.type));
}

template std::unique_ptr<Optimizer<float, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);
template std::unique_ptr<Optimizer<double, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);

}  // namespace firecaffe
