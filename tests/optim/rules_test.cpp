// SPDX-License-Identifier: Apache-2.0
// Every update rule against numbers worked out by hand, over two steps or more: the second shows what became of the
// state. Deltas are large here, so that a test sees where they are added.
#include "catch.hpp"

#include <cmath>

#include "firecaffe/core/error.hpp"
#include "firecaffe/optim/optimizer.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using Type = SolverOptions::Type;

namespace {

constexpr Type kTypes[] = {Type::sgd,  Type::nesterov, Type::adagrad, Type::rmsprop, Type::adadelta,
                           Type::adam, Type::adamw,    Type::lars,    Type::lamb};

SolverOptions solver_of(Type type) {
    SolverOptions s;
    s.type = type;
    const bool has_momentum = type != Type::adagrad && type != Type::rmsprop;
    s.momentum = has_momentum ? 0.5 : 0.0;
    s.momentum2 = s.rms_decay = 0.75;
    s.delta = 1.0;
    return s;
}

/// Parameters and an optimizer for them, in double.
struct Run {
    ArenaLayout layout;
    Arena<double, Cpu> w, g;
    std::unique_ptr<Optimizer<double, Cpu>> optimizer;
    std::int64_t iteration = 0;

    /// The first parameter has `values` to start with, the second, with lr_mult 2 and decay_mult 0, as well.
    Run(const SolverOptions& solver, std::vector<double> values) {
        const auto count = static_cast<std::int64_t>(values.size());
        layout.add("weight", Shape{count}, 1.0, 1.0);
        layout.add("bias", Shape{count}, 2.0, 0.0);
        w = Arena<double, Cpu>(layout);
        g = Arena<double, Cpu>(layout);
        for (const ParameterInfo& p : layout.parameters()) std::copy(values.begin(), values.end(), w.of(p).begin());
        optimizer = make_optimizer<double, Cpu>(solver, layout);
    }

    void step(double rate, const std::vector<double>& gradient, double scale = 1.0) {
        for (const ParameterInfo& p : layout.parameters()) std::copy(gradient.begin(), gradient.end(), g.of(p).begin());
        optimizer->begin({.rate = rate, .scale = scale, .iteration = iteration++});
        optimizer->update(w.values(), g.values(), 0, layout.size());
    }
    double weight(std::size_t i = 0) { return w.of(layout.parameters()[0])[i]; }
    double bias(std::size_t i = 0) { return w.of(layout.parameters()[1])[i]; }
};

}  // namespace

TEST_CASE("Nesterov: the rate is inside the buffer") {
    Run run(solver_of(Type::nesterov), {1.0});
    run.step(0.1, {2.0});  // h = 0.2; 1.5 * 0.2 = 0.3
    CHECK(run.weight() == Approx(0.7));
    CHECK(run.bias() == Approx(0.4));
    run.step(0.01, {2.0});  // h = 0.5 * 0.2 + 0.02 = 0.12; 1.5 * 0.12 - 0.5 * 0.2 = 0.08; PyTorch would subtract 0.035
    CHECK(run.weight() == Approx(0.62));
}

TEST_CASE("AdaGrad: delta is added to the root of the sum of squares") {
    Run run(solver_of(Type::adagrad), {1.0});
    run.step(0.1, {3.0});  // h = 9; 0.1 * 3 / (3 + 1)
    CHECK(run.weight() == Approx(1 - 0.075));
    run.step(0.1, {-4.0});  // h = 25; -0.1 * 4 / (5 + 1)
    CHECK(run.weight() == Approx(1 - 0.075 + 0.4 / 6));
    CHECK(run.bias() == Approx(1 - 0.15 + 0.8 / 6));
}

TEST_CASE("RMSProp: delta is added to the root of the mean square") {
    Run run(solver_of(Type::rmsprop), {1.0});
    run.step(0.1, {2.0});  // h = 0.25 * 4 = 1; 0.1 * 2 / (1 + 1)
    CHECK(run.weight() == Approx(0.9));
    run.step(0.1, {1.0});  // h = 0.75 + 0.25 = 1; 0.1 * 1 / (1 + 1)
    CHECK(run.weight() == Approx(0.85));
    run.step(0.1, {-5.0});  // h = 0.75 + 6.25 = 7
    CHECK(run.weight() == Approx(0.85 + 0.5 / (std::sqrt(7.0) + 1)));
}

TEST_CASE("AdaDelta: delta is inside both roots, and the rate outside of the averages") {
    Run run(solver_of(Type::adadelta), {1.0});
    run.step(0.1, {2.0});  // h = 2; d = 2 * sqrt((0 + 1) / (2 + 1)); s = 0.5 * 4 / 3 = 2/3
    const double first = 2 / std::sqrt(3.0);
    CHECK(run.weight() == Approx(1 - 0.1 * first));
    run.step(0.1, {2.0});  // h = 1 + 2 = 3; d = 2 * sqrt((2/3 + 1) / (3 + 1)) = sqrt(5/3)
    CHECK(run.weight() == Approx(1 - 0.1 * (first + std::sqrt(5.0 / 3))));
}

TEST_CASE("Adam as in Caffe: delta is added to the uncorrected root") {
    Run run(solver_of(Type::adam), {1.0});
    run.step(0.1, {2.0});  // m = 1, v = 1; 0.1 * sqrt(0.25) / 0.5 * 1 / (1 + 1) = 0.05; PyTorch: 0.1 * 2 / (2 + 1)
    CHECK(run.weight() == Approx(0.95));
    run.step(0.1, {-2.0});  // m = -0.5, v = 1.75; t = 2
    const double second = 0.1 * std::sqrt(1 - 0.5625) / (1 - 0.25) * -0.5 / (std::sqrt(1.75) + 1);
    CHECK(run.weight() == Approx(0.95 - second));
    CHECK(run.bias() == Approx(0.9 - 2 * second));
}

TEST_CASE("Adam regularises the gradient, AdamW the parameter") {
    SolverOptions solver = solver_of(Type::adam);
    solver.weight_decay = 0.5;
    Run adam(solver, {4.0});
    adam.step(0.1, {2.0});  // g = 2 + 0.5 * 4 = 4; m = 2, v = 4; 0.1 * 1 * 2 / (2 + 1)
    CHECK(adam.weight() == Approx(4 - 0.2 / 3));

    solver.type = Type::adamw;
    Run adamw(solver, {1.0});
    adamw.step(0.1, {2.0});  // corrected: m = 2, v = 4; 0.1 * (2 / (2 + 1) + 0.5 * 1)
    const double w = 1 - 0.1 * (2.0 / 3 + 0.5);
    CHECK(adamw.weight() == Approx(w));
    CHECK(adamw.bias() == Approx(1 - 0.2 * 2.0 / 3));  // decay_mult 0
    adamw.step(0.1, {-2.0});                           // m = -0.5 / 0.75, v = 1.75 / 0.4375 = 4
    CHECK(adamw.weight() == Approx(w - 0.1 * (-2.0 / 9 + 0.5 * w)));

    solver.regularization_type = Regularization::l1;
    Run l1(solver, {-3.0});
    l1.step(0.1, {2.0});
    CHECK(l1.weight() == Approx(-3 - 0.1 * (2.0 / 3 - 0.5)));
}

TEST_CASE("LARS: a rate per parameter, inside the momentum buffer") {
    SolverOptions solver = solver_of(Type::lars);
    solver.weight_decay = 0.1;
    solver.trust_coefficient = 0.021;
    Run run(solver, {3.0, 4.0});
    run.step(1.0, {0.0, 10.0});  // r = 0.021 * 5 / (10 + 0.1 * 5) = 0.01; h = 0.01 * (0.3, 10.4)
    CHECK(run.weight(0) == Approx(3 - 0.003));
    CHECK(run.weight(1) == Approx(4 - 0.104));
    CHECK(run.bias(0) == Approx(3));  // decay_mult 0: the rate as it is, here 1.0 * lr_mult 2
    CHECK(run.bias(1) == Approx(4 - 20));
    const double norm = std::hypot(2.997, 3.896), r = 0.021 * norm / (2 + 0.1 * norm);
    run.step(0.5, {2.0, 0.0});
    CHECK(run.weight(0) == Approx(2.997 - (0.5 * 0.003 + 0.5 * r * (2 + 0.2997))));
    CHECK(run.weight(1) == Approx(3.896 - (0.5 * 0.104 + 0.5 * r * 0.3896)));
}

TEST_CASE("LAMB: AdamW's direction at the parameter's length") {
    SolverOptions solver = solver_of(Type::lamb);
    solver.weight_decay = 0.5;
    Run run(solver, {3.0, 4.0});
    run.step(0.1, {2.0, -2.0});  // d = (2/3 + 1.5, -2/3 + 2)
    const double d0 = 2.0 / 3 + 1.5, d1 = -2.0 / 3 + 2, r = 5 / std::hypot(d0, d1);
    const double w0 = 3 - 0.1 * r * d0, w1 = 4 - 0.1 * r * d1;
    CHECK(run.weight(0) == Approx(w0));
    CHECK(run.weight(1) == Approx(w1));
    CHECK(run.bias(0) == Approx(3 - 0.2 * 2.0 / 3));
    run.step(0.1, {-2.0, 2.0});  // the moments' ratio is -+2/9
    const double e0 = -2.0 / 9 + 0.5 * w0, e1 = 2.0 / 9 + 0.5 * w1;
    const double s = std::hypot(w0, w1) / std::hypot(e0, e1);
    CHECK(run.weight(0) == Approx(w0 - 0.1 * s * e0));
    CHECK(run.weight(1) == Approx(w1 - 0.1 * s * e1));
}

TEST_CASE("a parameter of zeros, or one without a gradient, takes the common rate") {
    for (const Type type : {Type::lars, Type::lamb}) {
        Run zeros(solver_of(type), {0.0, 0.0});
        zeros.step(0.1, {2.0, 0.0});
        CHECK(zeros.weight(0) == Approx(type == Type::lars ? -0.2 : -0.2 / 3));
        Run still(solver_of(type), {3.0, 4.0});
        still.step(0.1, {0.0, 0.0});
        CHECK(still.weight(0) == 3.0);
        CHECK(still.weight(1) == 4.0);
    }
}

TEST_CASE("each rule sees the mean and not the sum") {
    for (const Type type : kTypes) {
        INFO("type " << static_cast<int>(type));
        SolverOptions solver = solver_of(type);
        solver.weight_decay = 0.01;
        Run means(solver, {1.0, -2.0}), sums(solver, {1.0, -2.0});
        for (int i = 0; i < 3; ++i) {
            means.step(0.1, {0.5, 3.0});
            sums.step(0.1, {2.0, 12.0}, 0.25);
        }
        for (std::size_t i = 0; i < means.layout.size(); ++i) CHECK(means.w.values()[i] == sums.w.values()[i]);
    }
}

TEST_CASE("ranges that cut parameters, in any order, end with the bits of one range") {
    for (const Type type : kTypes) {
        INFO("type " << static_cast<int>(type));
        SolverOptions solver = solver_of(type);
        solver.weight_decay = 0.01;
        std::vector<double> start(100), gradient(100);
        for (std::size_t i = 0; i < 100; ++i) {
            start[i] = std::sin(static_cast<double>(i));
            gradient[i] = std::cos(static_cast<double>(3 * i));
        }
        Run once(solver, start), parts(solver, start);
        const std::size_t size = once.layout.size(), cuts[] = {0, 7, 64, 112, 130, size};
        for (int step = 0; step < 3; ++step) {
            once.step(0.1, gradient);
            for (const ParameterInfo& p : parts.layout.parameters())
                std::copy(gradient.begin(), gradient.end(), parts.g.of(p).begin());
            parts.optimizer->begin({.rate = 0.1, .iteration = step});
            for (const std::size_t piece : {4u, 1u, 0u, 3u, 2u})
                parts.optimizer->update(parts.w.values(), parts.g.values(), cuts[piece], cuts[piece + 1]);
        }
        for (std::size_t i = 0; i < size; ++i) REQUIRE(once.w.values()[i] == parts.w.values()[i]);
    }
}

TEST_CASE("a rule that needs a norm waits for the whole parameter") {
    Run run(solver_of(Type::lars), {3.0, 4.0});
    const ParameterInfo& p = run.layout.parameters()[0];
    run.g.of(p)[0] = run.g.of(p)[1] = 1.0;
    run.optimizer->begin({.rate = 1.0});
    run.optimizer->update(run.w.values(), run.g.values(), 0, 1);
    CHECK(run.weight(0) == 3.0);
    run.optimizer->update(run.w.values(), run.g.values(), 1, run.layout.size());
    CHECK(run.weight(0) < 3.0);
    CHECK(run.weight(1) < 4.0);
}

TEST_CASE("a new optimizer with the saved state goes on with the same bits") {
    for (const Type type : kTypes) {
        INFO("type " << static_cast<int>(type));
        Run whole(solver_of(type), {1.0, -2.0}), first(solver_of(type), {1.0, -2.0});
        const auto step = [](Run& run) {
            const double t = static_cast<double>(run.iteration);
            run.step(0.1, {t + 0.5, 2 - t});
        };
        for (int i = 0; i < 5; ++i) step(whole);
        for (int i = 0; i < 2; ++i) step(first);
        Run second(solver_of(type), {first.weight(0), first.weight(1)});
        std::copy(first.w.values().begin(), first.w.values().end(), second.w.values().begin());
        const auto saved = first.optimizer->state(), restored = second.optimizer->state();
        REQUIRE(saved.size() == restored.size());
        for (std::size_t s = 0; s < saved.size(); ++s) {
            CHECK(saved[s].name == restored[s].name);
            std::copy(saved[s].values.begin(), saved[s].values.end(), restored[s].values.begin());
        }
        second.iteration = 2;
        for (int i = 0; i < 3; ++i) step(second);
        for (std::size_t i = 0; i < whole.layout.size(); ++i) CHECK(whole.w.values()[i] == second.w.values()[i]);
    }
}

TEST_CASE("what an update rule cannot use is refused") {
    const auto refused = [](Type type, auto&& change, const char* words) {
        SolverOptions solver = solver_of(type);
        change(solver);
        CHECK_THROWS_WITH(check_solver(solver), Contains(words));
    };
    for (const Type type : kTypes) CHECK_NOTHROW(check_solver(solver_of(type)));
    refused(
        Type::adagrad, [](auto& s) { s.momentum = 0.9; }, "momentum is 0.9");
    refused(
        Type::rmsprop, [](auto& s) { s.momentum = 0.9; }, "give 0");
    refused(
        Type::sgd, [](auto& s) { s.momentum = 1.0; }, "momentum is 1; give 0 to below 1");
    refused(
        Type::adam, [](auto& s) { s.momentum2 = 1.0; }, "momentum2 is 1");
    refused(
        Type::adam, [](auto& s) { s.momentum2 = std::nan(""); }, "momentum2 is nan");
    refused(
        Type::rmsprop, [](auto& s) { s.rms_decay = -0.1; }, "rms_decay is -0.1");
    refused(
        Type::adadelta, [](auto& s) { s.delta = 0.0; }, "delta is 0");
    refused(
        Type::lars, [](auto& s) { s.trust_coefficient = 0.0; }, "trust_coefficient is 0");
    refused(
        Type::lars, [](auto& s) { s.regularization_type = Regularization::l1; }, "l2 only");
    refused(
        Type::sgd, [](auto& s) { s.warmup_iter = 5; }, "warmup_iter is 5");
}
