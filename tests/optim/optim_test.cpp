// SPDX-License-Identifier: Apache-2.0
// Caffe's rates and Caffe's SGD. Where PyTorch's rule differs, the test is one that PyTorch's rule would fail.
#include "catch.hpp"

#include <cmath>

#include "firecaffe/optim/lr_policy.hpp"
#include "firecaffe/optim/optimizer.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using Type = LrPolicyOptions::Type;

namespace {

SolverOptions solver_with(LrPolicyOptions policy) {
    SolverOptions s;
    s.base_lr = 0.5;
    s.lr_policy = std::move(policy);
    s.max_iter = 100;
    return s;
}

ArenaLayout two_parameters() {
    ArenaLayout layout;
    layout.add("ip.weight", Shape{3}, 1.0, 1.0);
    layout.add("ip.bias", Shape{2}, 2.0, 0.0);
    return layout;
}

}  // namespace

TEST_CASE("the seven learning-rate policies") {
    CHECK(learning_rate(solver_with({.type = Type::fixed}), 77) == 0.5);
    const auto step = solver_with({.type = Type::step, .gamma = 0.1, .stepsize = 10});
    CHECK(learning_rate(step, 9) == Approx(0.5));
    CHECK(learning_rate(step, 10) == Approx(0.05));
    CHECK(learning_rate(step, 29) == Approx(0.005));
    CHECK(learning_rate(solver_with({.type = Type::exp, .gamma = 0.9}), 3) == Approx(0.5 * 0.729));
    CHECK(learning_rate(solver_with({.type = Type::inv, .gamma = 0.01, .power = 0.75}), 50) ==
          Approx(0.5 * std::pow(1.5, -0.75)));
    const auto multistep = solver_with({.type = Type::multistep, .gamma = 0.5, .stepvalue = {10, 20}});
    CHECK(learning_rate(multistep, 9) == Approx(0.5));
    CHECK(learning_rate(multistep, 10) == Approx(0.25));
    CHECK(learning_rate(multistep, 20) == Approx(0.125));
    CHECK(learning_rate(solver_with({.type = Type::poly, .power = 0.5}), 75) == Approx(0.25));
    CHECK(learning_rate(solver_with({.type = Type::poly}), 99) == 0.5);  // Caffe's default power is 0: constant
    CHECK(learning_rate(solver_with({.type = Type::sigmoid, .gamma = 0.2, .stepsize = 50}), 50) == Approx(0.25));
    CHECK(learning_rate(solver_with({.type = Type::sigmoid, .gamma = -0.2, .stepsize = 50}), 0) ==
          Approx(0.5).margin(1e-4));
}

TEST_CASE("a warm-up goes in a line to where the policy takes over, and the policy counts from iteration 0") {
    auto solver = solver_with({.type = Type::step, .gamma = 0.1, .stepsize = 10});
    solver.warmup_iter = 5;
    solver.warmup_start_lr = 0.1;
    CHECK(learning_rate(solver, 0) == 0.1);
    CHECK(learning_rate(solver, 1) == Approx(0.18));
    CHECK(learning_rate(solver, 4) == Approx(0.42));
    CHECK(learning_rate(solver, 5) == 0.5);
    CHECK(learning_rate(solver, 9) == 0.5);
    CHECK(learning_rate(solver, 10) == Approx(0.05));  // and not at 15
    auto poly = solver_with({.type = Type::poly, .power = 1.0});
    poly.warmup_iter = 20;
    CHECK(learning_rate(poly, 0) == 0.0);
    CHECK(learning_rate(poly, 10) == Approx(0.2));  // half of the way to 0.5 * (1 - 20 / 100)
    CHECK(learning_rate(poly, 20) == Approx(0.4));
    poly.warmup_iter = 100;
    CHECK_NOTHROW(check_lr_policy(poly));
    poly.warmup_iter = 101;
    CHECK_THROWS_WITH(check_lr_policy(poly), Contains("warmup_iter is 101") && Contains("100"));
}

TEST_CASE("the base rate follows the batch where that is asked for") {
    auto solver = solver_with({.type = Type::step, .gamma = 0.1, .stepsize = 10});
    solver.global_batch = 1024;
    solver.base_batch = 256;
    CHECK(effective_base_lr(solver) == 0.5);
    solver.lr_scaling = LrScaling::linear;
    CHECK(effective_base_lr(solver) == 2.0);
    CHECK(learning_rate(solver, 10) == Approx(0.2));
    solver.warmup_iter = 4;
    solver.warmup_start_lr = 0.5;  // is not scaled
    CHECK(learning_rate(solver, 0) == 0.5);
    CHECK(learning_rate(solver, 2) == Approx(1.25));
    solver.lr_scaling = LrScaling::sqrt;
    CHECK(effective_base_lr(solver) == 1.0);
    solver.base_batch = 0;
    CHECK_THROWS_WITH(check_lr_policy(solver), Contains("lr_scaling needs base_batch"));
}

TEST_CASE("a policy without what it needs is refused") {
    CHECK_THROWS_WITH(check_lr_policy(solver_with({.type = Type::step})), Contains("stepsize"));
    CHECK_THROWS_WITH(check_lr_policy(solver_with({.type = Type::multistep})), Contains("stepvalue"));
    CHECK_THROWS_WITH(check_lr_policy(solver_with({.type = Type::multistep, .stepvalue = {5, 5}})), Contains("5"));
    auto poly = solver_with({.type = Type::poly});
    poly.max_iter = 0;
    CHECK_THROWS_WITH(check_lr_policy(poly), Contains("max_iter"));
}

TEST_CASE("Caffe's SGD keeps the rate inside the momentum buffer") {
    SolverOptions solver;
    solver.momentum = 0.9;
    const ArenaLayout layout = two_parameters();
    const auto optimizer = make_optimizer<double, Cpu>(solver, layout);
    Arena<double, Cpu> w(layout), g(layout);
    const ParameterInfo& p = layout.parameters()[0];
    w.of(p)[0] = 1.0;
    g.of(p)[0] = 2.0;
    const auto step = [&](double rate) {
        optimizer->begin({.rate = rate});
        optimizer->update(w.values(), g.values(), 0, layout.size());
    };
    step(0.1);  // h = 0.2
    CHECK(w.of(p)[0] == Approx(0.8));
    step(0.01);  // h = 0.9 * 0.2 + 0.02 = 0.2; PyTorch would have v = 3.8 and subtract 0.038
    CHECK(w.of(p)[0] == Approx(0.6));
    CHECK(optimizer->state().size() == 1);
    CHECK(optimizer->state()[0].name == "momentum");
    CHECK(optimizer->state()[0].values[0] == Approx(0.2));
}

TEST_CASE("multipliers, decay and the factor that makes means") {
    SolverOptions solver;
    solver.weight_decay = 0.1;
    const ArenaLayout layout = two_parameters();
    Arena<double, Cpu> g(layout);
    for (double& v : g.values()) v = 4.0;
    const auto result = [&](Regularization regularization) {
        solver.regularization_type = regularization;
        const auto optimizer = make_optimizer<double, Cpu>(solver, layout);
        Arena<double, Cpu> w(layout);
        for (const ParameterInfo& p : layout.parameters())
            for (double& v : w.of(p)) v = -3.0;
        optimizer->begin({.rate = 0.5, .scale = 0.25});
        optimizer->update(w.values(), g.values(), 0, layout.size());
        return std::pair(w.of(layout.parameters()[0])[1], w.of(layout.parameters()[1])[1]);
    };
    const auto l2 = result(Regularization::l2);
    CHECK(l2.first == Approx(-3.0 - 0.5 * (1.0 + 0.1 * -3.0)));
    CHECK(l2.second == Approx(-3.0 - 2 * 0.5 * 1.0));  // lr_mult 2, decay_mult 0
    const auto l1 = result(Regularization::l1);
    CHECK(l1.first == Approx(-3.0 - 0.5 * (1.0 - 0.1)));
}

TEST_CASE("updating bucket by bucket equals updating at once, and leaves the rest alone") {
    SolverOptions solver;
    solver.momentum = 0.9;
    ArenaLayout layout;
    layout.add("a", Shape{100}, 1.0, 1.0);
    layout.add("b", Shape{37}, 1.0, 1.0);
    Arena<float, Cpu> once(layout), parts(layout), g(layout);
    for (std::size_t i = 0; i < g.values().size(); ++i) g.values()[i] = static_cast<float>(i) - 50;
    const auto o1 = make_optimizer<float, Cpu>(solver, layout), o2 = make_optimizer<float, Cpu>(solver, layout);
    o1->begin({.rate = 0.1});
    o1->update(once.values(), g.values(), 0, layout.size());
    o2->begin({.rate = 0.1});
    o2->update(parts.values(), g.values(), 0, 48);
    CHECK(parts.values()[48] == 0.0f);
    o2->update(parts.values(), g.values(), 48, layout.size());
    for (std::size_t i = 0; i < layout.size(); ++i) CHECK(once.values()[i] == parts.values()[i]);
    CHECK(once.values()[100] == 0.0f);  // the gap between the parameters
}

namespace {
/// The rule of one's own that the header shows.
struct PlainDescent {
    static constexpr std::array<const char*, 0> kState{};
    template <class T>
    void update(const UpdateRange<T>& u) const {
        for (std::size_t i = 0; i < u.count; ++i) u.value[i] -= static_cast<T>(u.rate) * u.gradient(i);
    }
};
}  // namespace

TEST_CASE("a user's update rule without state works") {
    SolverOptions solver;
    const ArenaLayout layout = two_parameters();
    PolicyOptimizer<double, Cpu, PlainDescent> optimizer({}, layout, solver);
    Arena<double, Cpu> w(layout), g(layout);
    g.of(layout.parameters()[0])[2] = 1.0;
    optimizer.begin({.rate = 0.25});
    optimizer.update(w.values(), g.values(), 0, layout.size());
    CHECK(w.of(layout.parameters()[0])[2] == -0.25);
    CHECK(optimizer.state().empty());
}
