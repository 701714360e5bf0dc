// SPDX-License-Identifier: Apache-2.0
// Statistics parameters: one rule, whatever the optimizer, and numbers worked out by hand.
#include "catch.hpp"

#include <vector>

#include "firecaffe/optim/update.hpp"

using namespace firecaffe;

namespace {

/// weight - mean - count - bias, as a batch norm between two layers has them.
ArenaLayout mixed_layout() {
    ArenaLayout layout;
    layout.add("ip.weight", Shape{3}, 1.0, 1.0);
    layout.add("norm.mean", Shape{2}, 1.0, 1.0, 0.5);
    layout.add("norm.count", Shape{1}, 1.0, 1.0, 0.5);
    layout.add("conv.bias", Shape{2}, 1.0, 1.0);
    return layout;
}

struct Recorder final : Optimizer<double, Cpu> {
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    void begin(const UpdateStep&) override {}
    void update(std::span<double>, std::span<const double>, std::size_t first, std::size_t last) override {
        ranges.emplace_back(first, last);
    }
    std::vector<OptimizerState<double>> state() override { return {}; }
};

}  // namespace

TEST_CASE("an optimizer is given everything but the statistics") {
    const ArenaLayout layout = mixed_layout();
    Arena<double, Cpu> parameters(layout), sums(layout);
    const auto ranges = [&](std::size_t first, std::size_t last) {
        Recorder recorder;
        update_parameters<double, Cpu>(recorder, layout, parameters.values(), sums.values(), first, last, 1.0);
        return recorder.ranges;
    };
    using Ranges = std::vector<std::pair<std::size_t, std::size_t>>;
    CHECK(ranges(0, layout.size()) == Ranges{{0, 16}, {18, 32}, {33, 64}});  // with the gaps, which are empty
    CHECK(ranges(0, 16) == Ranges{{0, 16}});
    CHECK(ranges(16, 32) == Ranges{{18, 32}});
    CHECK(ranges(32, 64) == Ranges{{33, 64}});
}

TEST_CASE("a statistic becomes fraction * value + mean of what the shards measured") {
    const ArenaLayout layout = mixed_layout();
    SolverOptions solver;
    solver.momentum = 0.9;
    solver.weight_decay = 0.1;  // neither of them is for statistics, nor is clipping
    const auto optimizer = make_optimizer<double, Cpu>(solver, layout);
    Arena<double, Cpu> parameters(layout), sums(layout);
    const auto step = [&](double mean0, double mean1) {  // sums over four shards
        sums.of(layout.parameters()[1])[0] = mean0;
        sums.of(layout.parameters()[1])[1] = mean1;
        sums.of(layout.parameters()[2])[0] = 4;
        optimizer->begin({.rate = 0.01, .scale = 0.25 * 0.001});
        update_parameters<double, Cpu>(*optimizer, layout, parameters.values(), sums.values(), 0, layout.size(), 0.25);
    };
    step(8, -4);
    step(16, 12);
    CHECK(parameters.of(layout.parameters()[1])[0] == 0.5 * 2 + 4);
    CHECK(parameters.of(layout.parameters()[1])[1] == 0.5 * -1 + 3);
    CHECK(parameters.of(layout.parameters()[2])[0] == 0.5 * 1 + 1);
    CHECK(optimizer->state()[0].values[layout.parameters()[1].offset] == 0.0);
}

TEST_CASE("statistics are not counted as learned parameters") {
    CHECK(mixed_layout().parameter_count() == 5);
    CHECK(mixed_layout().statistics_count() == 3);
}
