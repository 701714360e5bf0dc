// SPDX-License-Identifier: Apache-2.0
// What a program brings into a run of its own.
#include "catch.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

/// Moves every parameter down by the rate, whatever the gradient.
struct Sinking {
    static constexpr std::array<const char*, 0> kState{};
    template <class T>
    void update(const UpdateRange<T>& u) const {
        for (std::size_t i = 0; i < u.count; ++i) u.value[i] -= static_cast<T>(u.rate);
    }
};

}  // namespace

TEST_CASE("a program's own update rule replaces that of the options") {
    TrainOptions options = small_run();
    options.solver.lr_policy = {};
    options.solver.base_lr = 0.5;
    options.solver.max_iter = 3;
    Trainer<double, Cpu> before(options, {});
    TrainEnvironment<double, Cpu> environment;
    environment.optimizer = [](const SolverOptions& solver, const ArenaLayout& layout) {
        return std::make_unique<PolicyOptimizer<double, Cpu, Sinking>>(Sinking{}, layout, solver);
    };
    Trainer<double, Cpu> trainer(options, environment);
    trainer.train();
    for (const ParameterInfo& p : trainer.layout().parameters())
        for (std::size_t i = p.offset; i < p.end(); ++i)
            REQUIRE(trainer.parameters().values()[i] == Approx(before.parameters().values()[i] - 1.5));
}

TEST_CASE("a scale of the loss is of float16") {
    TrainOptions options = small_run();
    options.compute.loss_scale = 1024.0;
    CHECK_THROWS_AS((Trainer<float, Cpu>(options, {})), ConfigError);
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, {})),
                      Contains("/compute/loss_scale: 1024") && Contains("float32") && Contains("float16"));
}

TEST_CASE("an update rule that is missing is refused, and so is a rate policy that cannot be, with any rule") {
    TrainOptions options = small_run();
    TrainEnvironment<float, Cpu> environment;
    environment.optimizer = nullptr;
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, environment)), Catch::Contains("optimizer is empty"));
    environment.optimizer = [](const SolverOptions&, const ArenaLayout&) { return nullptr; };
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, environment)), Catch::Contains("returned null"));
    options.solver.lr_policy.type = LrPolicyOptions::Type::step;
    CHECK_THROWS_AS((Trainer<float, Cpu>(options, environment)), ConfigError);
}
