// SPDX-License-Identifier: Apache-2.0
// Local SGD: workers update by themselves and average their parameters every so many updates.
#include "catch.hpp"

#include <atomic>

#include "firecaffe/core/error.hpp"
#include "support/resumed_run.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

TrainOptions run_with_period(std::int64_t period) {
    TrainOptions options = small_run();
    options.reducer.type = "tree";
    options.reducer.period = period;
    return options;
}

TrainSummary run(const TrainOptions& options, int workers, TrainEnvironment<float, Cpu> environment = {}) {
    return train_in_threads<float, Cpu>(options, workers, std::move(environment));
}

}  // namespace

TEST_CASE("an average after each update is a sum of gradients, but for the workers' own momentum, which is linear") {
    TrainOptions options = run_with_period(2);
    options.solver.test_interval = 1;  // all meet after each update
    const TrainSummary averaged = run(options, 4);
    options.reducer.period = 1;
    const TrainSummary summed = run(options, 4);
    CHECK(averaged.test_loss == Approx(summed.test_loss).epsilon(1e-3));
    CHECK(averaged.train_loss == Approx(summed.train_loss).epsilon(1e-3));
    CHECK(averaged.drift > 0);
    CHECK(summed.drift == 0);
}

TEST_CASE("with a period the net learns, runs repeat, and less is sent") {
    TrainOptions options = run_with_period(1);
    options.solver.max_iter = 160;
    const TrainSummary summed = run(options, 4);
    double drift = 0;
    for (const std::int64_t period : {4, 16}) {
        options.reducer.period = period;
        const TrainSummary first = run(options, 4), second = run(options, 4);
        CAPTURE(period, first.drift);
        CHECK(first.parameters_digest == second.parameters_digest);
        CHECK(first.test_top1 > 0.6);
        CHECK(first.iterations == 160);
        CHECK(first.communication_bytes < summed.communication_bytes / static_cast<std::uint64_t>(period) * 2);
        CHECK(first.drift > drift);  // the longer apart, the further apart
        drift = first.drift;
    }
}

TEST_CASE("with a period, uneven blocks and workers without shards end with the same parameters") {
    for (const int workers : {3, 5, 9}) {
        TrainOptions options = run_with_period(7);
        options.solver.test_interval = 10;
        const TrainSummary summary = run(options, workers);
        CAPTURE(workers);
        CHECK(summary.iterations == 30);
        CHECK(summary.test_loss < 1.4);
    }
    const TrainOptions alone = run_with_period(7);
    TrainOptions summed = run_with_period(1);
    CHECK(run(alone, 1).parameters_digest == run(summed, 1).parameters_digest);
}

TEST_CASE("with a period, a run that is resumed ends as the one that was not interrupted") {
    check_resumed_run(run_with_period(4), 3);
}

TEST_CASE("with a period, a wish to stop is followed when all meet, and a worker that diverges says so") {
    TrainOptions options = run_with_period(8);
    options.solver.max_iter = 100000;
    TrainEnvironment<float, Cpu> environment;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    environment.stop_requested = [asked] { return ++*asked > 100; };
    CHECK_THROWS_AS(run(options, 3, environment), PreemptedError);

    options = run_with_period(8);
    options.solver.base_lr = 1e30;
    CHECK_THROWS_AS(run(options, 2), TrainingError);
    options = run_with_period(0);
    CHECK_THROWS_AS(run(options, 2), ConfigError);
    options = run_with_period(2);
    options.reducer.type = kStaleServer;
    CHECK_THROWS_WITH(run(options, 2), Contains("/reducer/period"));
    options = run_with_period(2);
    options.reducer.codec.type = CodecOptions::Type::top_k;
    CHECK_THROWS_WITH(run(options, 2), Contains("/reducer/codec"));
}
