// SPDX-License-Identifier: Apache-2.0
// Training with a stale server: without staleness it is the synchronous run, with it the bound holds and nets learn.
#include "catch.hpp"

#include <atomic>
#include <numeric>

#include "firecaffe/core/error.hpp"
#include "support/resumed_run.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

TrainOptions stale_run(std::int64_t staleness, int shards = 4) {
    TrainOptions options = small_run();
    options.reducer.type = kStaleServer;
    options.reducer.staleness = staleness;
    options.solver.shards = shards;
    return options;
}

TrainSummary run(const TrainOptions& options, int workers, TrainEnvironment<float, Cpu> environment = {}) {
    return train_in_threads<float, Cpu>(options, workers, std::move(environment));
}

std::int64_t steps(const TrainSummary& summary) {
    return std::accumulate(summary.lags.begin(), summary.lags.end(), std::int64_t{0});
}

}  // namespace

TEST_CASE("without staleness a stale server trains as the sum over all workers does, and each run again alike") {
    for (const int workers : {2, 3, 4}) {
        TrainOptions synchronous = stale_run(0, 12);
        synchronous.solver.global_batch = 24;
        synchronous.reducer.type = "tree";
        const TrainSummary expected = run(synchronous, workers);
        for (const std::int64_t servers : {0, 1, 2}) {
            TrainOptions options = synchronous;
            options.reducer.type = kStaleServer;
            options.reducer.servers = servers;
            const TrainSummary first = run(options, workers), second = run(options, workers);
            CAPTURE(workers, servers);
            CHECK(first.parameters_digest == second.parameters_digest);
            CHECK(first.iterations == 30);
            CHECK(first.test_loss == Approx(expected.test_loss).epsilon(1e-3));
            CHECK(first.train_loss == Approx(expected.train_loss).epsilon(1e-3));
            CHECK(std::ssize(first.lags) == 1);
            CHECK(steps(first) == 30 * workers);
        }
    }
}

TEST_CASE("the sum of the workers' updates is their mean at a rate that is so many times smaller") {
    TrainOptions mean = stale_run(0), sum = stale_run(0);
    mean.solver.weight_decay = sum.solver.weight_decay = 0;
    sum.reducer.updates = StaleUpdates::sum;
    sum.solver.base_lr = mean.solver.base_lr / 4;
    CHECK(run(sum, 4).test_loss == Approx(run(mean, 4).test_loss).epsilon(1e-3));
}

TEST_CASE("with staleness the bound holds and the net learns, with every rule's history kept by each worker") {
    for (const std::int64_t staleness : {1, 3, -1}) {
        for (const auto type : {SolverOptions::Type::sgd, SolverOptions::Type::adam}) {
            TrainOptions options = stale_run(staleness);
            options.solver.type = type;
            if (type == SolverOptions::Type::adam) options.solver.base_lr = 0.002;
            options.solver.max_iter = 150;
            const TrainSummary summary = run(options, 4);
            CAPTURE(staleness, static_cast<int>(type), summary.lags);
            CHECK(summary.test_top1 > 0.6);
            CHECK(summary.iterations == 150);
            CHECK(steps(summary) == 600);
            if (staleness > 0) CHECK(std::ssize(summary.lags) <= staleness + 1);
        }
    }
}

TEST_CASE("workers without shards serve, or look on") {
    for (const int shards : {1, 2, 3}) {
        TrainOptions options = stale_run(1, shards);
        options.solver.global_batch = 30;
        options.solver.test_interval = 10;
        options.reducer.servers = shards == 2 ? 0 : 1;
        const TrainSummary summary = run(options, 5);
        CAPTURE(shards);
        CHECK(summary.iterations == 30);
        CHECK(summary.test_loss < 1.4);
    }
}

TEST_CASE("a run with a stale server that is asked to stop saves at the same iteration on all workers") {
    TrainOptions options = stale_run(2);
    options.solver.max_iter = 100000;
    const Scratch scratch;
    options.output.directory = scratch.path().string();
    TrainEnvironment<float, Cpu> environment;
    const auto asked = std::make_shared<std::atomic<int>>(0);
    environment.stop_requested = [asked] { return ++*asked > 100; };
    CHECK_THROWS_WITH(run(options, 3, environment), Contains("stopped as asked after iteration 3"));
    CHECK(names_in(scratch / "checkpoints").size() == 2);  // one, and `latest`
}

TEST_CASE("without staleness a run that is resumed ends as the one that was not interrupted") {
    check_resumed_run(stale_run(0), 3);
}

TEST_CASE("a worker that diverges, and options that cannot be meant, end the run with a word for it") {
    TrainOptions options = stale_run(1);
    options.solver.base_lr = 1e30;
    CHECK_THROWS_AS(run(options, 2), TrainingError);
    options = stale_run(-2);
    CHECK_THROWS_AS(run(options, 2), ConfigError);
    options = stale_run(1);
    options.reducer.servers = 3;
    CHECK_THROWS_AS(run(options, 2), ConfigError);
    options = stale_run(1);
    options.reducer.wire = comm::WireType::bfloat16;
    CHECK_THROWS_AS(run(options, 2), ConfigError);
    options = stale_run(1);
    options.reducer.updates = StaleUpdates::sum;
    options.net =
        NetBuilder("measured").batch_norm("norm").inner_product("ip", {.num_output = 4}).softmax_with_loss().build();
    CHECK_THROWS_WITH(run(options, 2), Contains("/reducer/updates"));
}

TEST_CASE("one worker has nobody to lag behind") {
    TrainOptions options = stale_run(3);
    const TrainSummary alone = run(options, 1);
    options.reducer.type = "local";
    CHECK(alone.parameters_digest == run(options, 1).parameters_digest);
    CHECK(alone.lags.empty());
}
