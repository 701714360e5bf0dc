// SPDX-License-Identifier: Apache-2.0
// What gradients decide about their update: clipping, and the scale of the loss. On the host.
#include "catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "firecaffe/optim/gradient_gauge.hpp"

using namespace firecaffe;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

ArenaLayout small_layout() {
    ArenaLayout layout;
    layout.add("w", Shape{2}, 1.0, 1.0);
    layout.add("mean", Shape{1}, 1.0, 1.0, 0.9);  // a statistic: no part of the norm
    layout.add("b", Shape{3}, 1.0, 0.0);
    return layout;
}

/// The scale of an update of sums whose norm is 5.
double scale_of(const UpdateRule& rule, double mean, double loss_scale = 1.0) {
    const ArenaLayout layout = small_layout();
    std::vector<float> sums(layout.size());
    sums[0] = 3.0f;
    sums[layout.parameters()[1].offset] = kNaN;
    sums[layout.parameters()[2].offset + 2] = 4.0f;
    GradientGauge<float, Cpu> gauge(layout, rule, loss_scale);
    UpdateStep step{.scale = mean};
    gauge.decide(sums, step);
    CHECK((step.decision != nullptr) == rule.reads_gradients());
    return step.scale;
}

constexpr UpdateRule kDynamic{.dynamic_loss_scale = true};

}  // namespace

TEST_CASE("clipping bounds the norm of the mean gradient") {
    CHECK(scale_of({}, 0.5) == 0.5);
    CHECK(scale_of({.clip_gradients = 10.0}, 1.0) == 1.0);
    CHECK(scale_of({.clip_gradients = 1.0}, 1.0) == Approx(0.2));
    CHECK(scale_of({.clip_gradients = 1.0}, 0.5) == Approx(0.5 * 0.4));
    CHECK(scale_of({.clip_gradients = 1.0, .passes = 2.0}, 0.5) == Approx(0.5 * 0.2));
    GradientGauge<double, Cpu> of_nothing({}, {.clip_gradients = 1.0}, 1.0);
    UpdateStep step{.scale = 0.25};
    of_nothing.decide({}, step);
    CHECK(step.scale == 0.25);
}

TEST_CASE("an update takes the scale of the loss out, before it clips") {
    CHECK(scale_of({}, 0.5, 1024.0) == 0.5 / 1024);
    CHECK(scale_of({.clip_gradients = 1.0}, 0.5, 1024.0) == 0.5 / 1024);
    CHECK(scale_of({.clip_gradients = 0.001}, 1.0, 1024.0) == Approx(0.001 / 5));
    CHECK(scale_of(kDynamic, 0.5, 1024.0) == 0.5 / 1024);
    for (const double refused : {0.0, -1.0, kInfinity, double{kNaN}, 1e-60})
        CHECK_THROWS_AS(scale_of({}, 1.0, refused), ConfigError);
}

TEST_CASE("a dynamic scale is halved where a gradient is not finite, and doubled after a while") {
    LossScale scale{kFirstLossScale, 0};
    for (const double norm : {kInfinity, double{kNaN}, kInfinity}) CHECK(kDynamic.decide(norm, 1.0, scale).skip);
    CHECK(scale == LossScale{8192.0, 0});
    for (std::int64_t i = 1; i < kStepsToDoubleLossScale; ++i) CHECK_FALSE(kDynamic.decide(1e30, 1.0, scale).skip);
    CHECK(scale == LossScale{8192.0, kStepsToDoubleLossScale - 1});
    CHECK(kDynamic.decide(1.0, 1.0, scale).scale == 1.0 / 8192);  // of gradients that were scaled by what it was
    CHECK(scale == LossScale{16384.0, 0});
    kDynamic.decide(1.0, 1.0, scale);
    kDynamic.decide(kInfinity, 1.0, scale);
    CHECK(scale == LossScale{8192.0, 0});  // counted anew
    scale = {kGreatestLossScale, kStepsToDoubleLossScale - 1};
    kDynamic.decide(0.0, 1.0, scale);
    CHECK(scale == LossScale{kGreatestLossScale, 0});
    CHECK_FALSE(UpdateRule{.clip_gradients = 1.0}.decide(kNaN, 1.0, scale).skip);  // a fixed one hides nothing
    CHECK(scale.value == kGreatestLossScale);
}

TEST_CASE("a gauge says where its scale is, and goes on from another's") {
    const ArenaLayout layout = small_layout();
    std::vector<float> good(layout.size(), 1.0f), bad = good;
    bad[1] = std::numeric_limits<float>::infinity();
    GradientGauge<float, Cpu> gauge(layout, kDynamic, kFirstLossScale), other(layout, kDynamic, 1.0);
    CHECK(*gauge.loss_scale() == 65536.0f);
    UpdateStep step;
    gauge.decide(bad, step);
    CHECK(step.decision->skip);
    CHECK(*gauge.loss_scale() == 32768.0f);
    CHECK(gauge.figures()[0] == 32768.0f);
    CHECK(gauge.figures()[1] == 1.0f);
    gauge.decide(good, step = {});
    CHECK_FALSE(step.decision->skip);
    CHECK(gauge.figures()[1] == 0.0f);
    CHECK(gauge.state() == LossScale{32768.0, 1});
    other.restore(gauge.state());
    CHECK(other.state() == gauge.state());
    CHECK(*other.loss_scale() == 32768.0f);
}

TEST_CASE("updates of a scaled loss have the bits of those that are not, but where one is left out") {
    using Type = SolverOptions::Type;
    for (const Type type : {Type::sgd, Type::nesterov, Type::adagrad, Type::rmsprop, Type::adadelta, Type::adam,
                            Type::adamw, Type::lars, Type::lamb}) {
        const ArenaLayout layout = small_layout();
        SolverOptions solver;
        solver.type = type;
        solver.momentum = type == Type::adagrad || type == Type::rmsprop ? 0.0 : 0.9;
        solver.weight_decay = 0.01;
        const auto plain = make_optimizer<float, Cpu>(solver, layout),
                   scaled = make_optimizer<float, Cpu>(solver, layout);
        Arena<float, Cpu> a(layout), b(layout), sums(layout), scaled_sums(layout);
        for (std::size_t i = 0; i < layout.size(); ++i) a.values()[i] = b.values()[i] = 0.1f * static_cast<float>(i);
        GradientGauge<float, Cpu> gauge(layout, kDynamic, kFirstLossScale);
        for (std::int64_t iteration = 0; iteration < 4; ++iteration) {
            const bool overflows = iteration == 2;
            for (std::size_t i = 0; i < layout.size(); ++i) {
                sums.values()[i] = 0.3f * static_cast<float>(i) - 0.7f / static_cast<float>(iteration + 1);
                scaled_sums.values()[i] = sums.values()[i] * *gauge.loss_scale();
            }
            if (overflows) scaled_sums.values()[0] = kNaN;
            UpdateStep step{.rate = 0.1, .scale = 0.125, .iteration = iteration};
            if (!overflows) {
                plain->begin(step);
                plain->update(a.values(), sums.values(), 0, layout.size());
            }
            gauge.decide(scaled_sums.values(), step);
            scaled->begin(step);
            scaled->update(b.values(), scaled_sums.values(), 0, layout.size());
        }
        INFO("type " << static_cast<int>(type));
        CHECK(std::vector<float>(a.values().begin(), a.values().end()) ==
              std::vector<float>(b.values().begin(), b.values().end()));
        for (std::size_t s = 0; s < plain->state().size(); ++s)
            for (std::size_t i = 0; i < layout.size(); ++i)
                CHECK(plain->state()[s].values[i] == scaled->state()[s].values[i]);
        CHECK(gauge.state() == LossScale{32768.0, 1});
    }
}
