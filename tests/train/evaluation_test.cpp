// SPDX-License-Identifier: Apache-2.0
// Evaluation: the whole test set, each image once, whatever the batch, the workers and the threads.
#include "catch.hpp"

#include <cmath>
#include <mutex>
#include <thread>

#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/data/memory.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::small_run;

namespace {

EvaluationReport evaluate(const TrainOptions& options, int workers, const DatasetRegistry& datasets = {}) {
    const auto transports = comm::make_thread_transports(workers, {.deadline_seconds = 30});
    std::vector<EvaluationReport> reports(static_cast<std::size_t>(workers));
    std::vector<std::thread> team;
    for (std::size_t r = 0; r < reports.size(); ++r)
        team.emplace_back([&, r] {
            TrainEnvironment<double, Cpu> environment;
            environment.transport = transports[r];
            environment.datasets = datasets;
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

TEST_CASE("with ten crops the mean of their probabilities is judged, for any batch, workers and threads") {
    // The scores of two classes are the two channels of an image; a crop is one pixel, the centre is the first of four.
    DatasetRegistry datasets;
    datasets.add("by_hand", [](const DatasetOptions&, std::uint64_t) {
        std::vector<float> pixels;
        for (int image = 0; image < 3; ++image)
            for (const float v : {1.0f, 0.0f, 0.0f, 0.0f, /**/ 0.0f, 3.0f, 3.0f, 3.0f}) pixels.push_back(v);
        return std::make_shared<MemoryDataset>(Shape{2, 2, 2}, 2, pixels, std::vector<std::int64_t>{1, 0, 1});
    });
    TrainOptions options = small_run();
    options.data.train = {};
    options.data.train.type = DatasetOptions::Type::custom;
    options.data.train.name = "by_hand";
    options.data.test = options.data.train;
    options.data.transform = {};
    options.data.transform.crop_size = 1;
    FillerOptions one;
    one.value = 1.0;
    options.net = NetBuilder("by hand")
                      .convolution("same", {.num_output = 2, .kernel_size = 1, .group = 2, .weight_filler = one})
                      .softmax_with_loss()
                      .build();
    const EvaluationReport centre = evaluate(options, 1, datasets);
    CHECK(centre.crops == 1);
    CHECK(centre.top1 == Approx(1.0 / 3));  // class 0 for all

    options.data.transform.test_crops = 10;
    const double first = 1 / (1 + std::exp(1.0)), others = 1 / (1 + std::exp(-3.0));  // probabilities of class 1
    const double mean = (2 * first + 3 * others) / 5;  // a corner and the centre are the first pixel
    for (const int workers : {1, 2, 3})
        for (const std::int64_t batch : {1, 10, 25, 100}) {
            INFO(workers << " workers, batches of " << batch);
            options.solver.test_batch = batch;
            options.compute.threads = workers % 2 + 1;
            const EvaluationReport ten = evaluate(options, workers, datasets);
            CHECK(ten.images == 3);
            CHECK(ten.crops == 10);
            CHECK(ten.top1 == Approx(2.0 / 3));
            CHECK(ten.loss == Approx(-(2 * std::log(mean) + std::log(1 - mean)) / 3).epsilon(1e-12));
        }
}

TEST_CASE("ten crops give the same figures for any number of workers") {
    TrainOptions options = small_run();
    options.data.test.count = 23;
    options.data.transform.test_crops = 10;
    const EvaluationReport reference = evaluate(options, 1);
    CHECK(reference.images == 23);
    for (const int workers : {2, 5, 9}) {
        const EvaluationReport other = evaluate(options, workers);
        CHECK(other.loss == reference.loss);
        CHECK(other.top1 == reference.top1);
        CHECK(other.top5 == reference.top5);
    }
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

TEST_CASE("images whose label the loss ignores do not count") {
    // The scores of two classes are the two channels of an image of one pixel.
    DatasetRegistry datasets;
    datasets.add("by_hand", [](const DatasetOptions&, std::uint64_t) {
        return std::make_shared<MemoryDataset>(Shape{2, 1, 1}, 2, std::vector<float>{0, 2, 3, 0, 0, 1},
                                               std::vector<std::int64_t>{1, 1, 0});
    });
    TrainOptions options = small_run();
    options.data = {};
    options.data.train.type = DatasetOptions::Type::custom;
    options.data.train.name = "by_hand";
    options.data.test = options.data.train;
    FillerOptions one;
    one.value = 1.0;
    options.net = NetBuilder("by hand")
                      .convolution("same", {.num_output = 2, .kernel_size = 1, .group = 2, .weight_filler = one})
                      .softmax_with_loss("loss", {.ignore_label = 0})
                      .build();
    const EvaluationReport report = evaluate(options, 2, datasets);
    CHECK(report.images == 3);
    CHECK(report.top1 == 0.5);
    CHECK(report.loss == Approx((std::log1p(std::exp(-2.0)) + std::log1p(std::exp(3.0))) / 2).epsilon(1e-6));
}

TEST_CASE("training and test set must have the same number of classes") {
    TrainOptions options = small_run();
    options.data.test.classes = 3;
    CHECK_THROWS_AS((Trainer<float, Cpu>(options, {})), DataError);
    CHECK_THROWS_WITH((Trainer<float, Cpu>(options, {})),
                      Catch::Contains("4 classes") && Catch::Contains("test set 3"));
}
