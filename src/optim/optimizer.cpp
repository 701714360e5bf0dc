// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/optimizer.hpp"

#include "firecaffe/core/error.hpp"
#include "firecaffe/optim/lr_policy.hpp"
#include "optim/make_optimizer.hpp"

namespace firecaffe {

void check_solver(const SolverOptions& solver) {
    check_lr_policy(solver);
    using Type = SolverOptions::Type;
    const auto share = [](const char* key, double value) {
        if (!(value >= 0.0 && value < 1.0)) throw ConfigError("solver: ", key, " is ", value, "; give 0 to below 1");
    };
    const auto positive = [](const char* key, double value) {
        if (!(value > 0.0)) throw ConfigError("solver: ", key, " is ", value, "; give more than 0");
    };
    share("momentum", solver.momentum);
    share("momentum2", solver.momentum2);
    share("rms_decay", solver.rms_decay);
    positive("delta", solver.delta);
    positive("trust_coefficient", solver.trust_coefficient);
    if ((solver.type == Type::adagrad || solver.type == Type::rmsprop) && solver.momentum != 0.0)
        throw ConfigError("solver: momentum is ", solver.momentum, ", but adagrad and rmsprop have none; give 0");
    if (solver.type == Type::lars && solver.regularization_type != Regularization::l2)
        throw ConfigError("solver: lars is defined with l2 only; change regularization_type, or take lamb");
}

template std::unique_ptr<Optimizer<float, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);
template std::unique_ptr<Optimizer<double, Cpu>> make_optimizer(const SolverOptions&, const ArenaLayout&);

}  // namespace firecaffe
