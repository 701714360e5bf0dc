// SPDX-License-Identifier: Apache-2.0
// Evaluation: the whole test set, each image once, whatever the batch, the workers and the threads.
#include "catch.hpp"

#include <mutex>
#include <thread>

#include "firecaffe/comm/transport/threads.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::small_run;

namespace {

EvaluationReport evaluate(const TrainOptions& options, int workers) {
    const auto transports = comm::make_thread_transports(workers, {.deadline_seconds = 30});
    std::vector<EvaluationReport> reports(static_cast<std::size_t>(workers));
    std::vector<std::thread> team;
    for (std::size_t r = 0; r < reports.size(); ++r)
        team.emplace_back([&, r] {
            TrainEnvironment<double, Cpu> environment;
            environment.transport = transports[r];
            Trainer<double, Cpu> trainer(options, environment);
            reports[r] = trainer.evaluate();
        });
    for (std::thread& t : team) t.join();
    for (const EvaluationReport& report : reports) {
        CHECK(report.loss == reports[0].loss);
        CHECK(report.top1 == reports[0].top1);
    }
    return reports[0];
}

}  // namespace

TEST_CASE("figures do not depend on workers and threads, nor on how the last batch is filled up") {
    TrainOptions options = small_run();
    options.data.test.count = 23;
    options.solver.test_batch = 5;
    const EvaluationReport reference = evaluate(options, 1);
    CHECK(reference.images == 23);
    CHECK(reference.top1 > 0);
    for (const int workers : {1, 2, 3, 7, 9}) {  // more than batches, and more than shards
        options.compute.threads = workers % 2 + 1;
        const EvaluationReport other = evaluate(options, workers);
        INFO(workers << " workers");
        CHECK(other.images == 23);
        CHECK(other.loss == reference.loss);
        CHECK(other.top1 == reference.top1);
        CHECK(other.top5 == reference.top5);
    }
    for (const std::int64_t batch : {1, 4, 23, 40}) {
        options.solver.test_batch = batch;
        const EvaluationReport other = evaluate(options, 2);
        INFO("batches of " << batch);
        CHECK(other.loss == Approx(reference.loss).epsilon(1e-12));
        CHECK(other.top1 == Approx(reference.top1));
    }
}

TEST_CASE("a net that ends in probabilities is evaluated as one that ends in a loss") {
    TrainOptions options = small_run();
    const EvaluationReport reference = evaluate(options, 1);
    LayerSpec softmax;
    softmax.name = "probabilities";
    softmax.type = "Softmax";
    softmax.bottom = {"ip"};
    softmax.top = {"probabilities"};
    softmax.options = SoftmaxOptions{};
    softmax.in_train = false;
    options.net.layers.push_back(softmax);
    const EvaluationReport same = evaluate(options, 1);
    CHECK(same.loss == Approx(reference.loss).epsilon(1e-12));
    CHECK(same.top1 == reference.top1);
}

TEST_CASE("what cannot be evaluated says why") {
    TrainOptions options = small_run();
    options.data.test = {};
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, {}).evaluate()), Catch::Contains("no test set"));
    CHECK_FALSE(train_in_threads<float, Cpu>(options, 2).tested);
    options = small_run();
    options.net.layers.back().in_test = false;
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, {}).evaluate()), Catch::Contains("nothing to evaluate"));
    CHECK_THROWS_AS((Trainer<float, Cpu>(small_run(), {}).load_model("/nothing")), MissingInputError);
}
