// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/optimizer.hpp"

#include "firecaffe/optim/lr_policy.hpp"

namespace firecaffe {

template class PolicyOptimizer<float, Cpu, SgdPolicy>;
template class PolicyOptimizer<double, Cpu, SgdPolicy>;

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
