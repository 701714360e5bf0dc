// SPDX-License-Identifier: Apache-2.0
// The body of make_optimizer, which is instantiated for each device where that is compiled.
#pragma once

#include "firecaffe/core/error.hpp"
#include "firecaffe/optim/adam.hpp"
#include "firecaffe/optim/adaptive.hpp"
#include "firecaffe/optim/layerwise.hpp"
#include "firecaffe/optim/momentum.hpp"

namespace firecaffe {

template <class T, class Device>
std::unique_ptr<Optimizer<T, Device>> make_optimizer(const SolverOptions& solver, const ArenaLayout& layout) {
    using Type = SolverOptions::Type;
    check_solver(solver);
    const auto with = [&]<class Policy>(Policy policy) -> std::unique_ptr<Optimizer<T, Device>> {
        return std::make_unique<PolicyOptimizer<T, Device, Policy>>(policy, layout, solver);
    };
    const SolverOptions& s = solver;
    switch (s.type) {
        case Type::sgd:
            return with(SgdPolicy{s.momentum});
        case Type::nesterov:
            return with(NesterovPolicy{s.momentum});
        case Type::adagrad:
            return with(AdaGradPolicy{s.delta});
        case Type::rmsprop:
            return with(RmsPropPolicy{s.rms_decay, s.delta});
        case Type::adadelta:
            return with(AdaDeltaPolicy{s.momentum, s.delta});
        case Type::adam:
            return with(AdamPolicy{s.momentum, s.momentum2, s.delta});
        case Type::adamw:
            return with(AdamWPolicy{s.momentum, s.momentum2, s.delta});
        case Type::lars:
            return with(LarsPolicy{s.momentum, s.trust_coefficient});
        case Type::lamb:
            return with(LambPolicy{s.momentum, s.momentum2, s.delta});
    }
    throw ConfigError("solver: unknown type number ", static_cast<int>(solver.type));
}

}  // namespace firecaffe
