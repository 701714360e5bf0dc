// SPDX-License-Identifier: Apache-2.0
// Batch norm's running statistics and shared parameters in a whole run: the same bits from any number of workers and
// after a resume, and the numbers that Caffe's rule gives.
#include "catch.hpp"

#include <atomic>
#include <cmath>

#include "model_io/scratch.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::Scratch;
using firecaffe::testing::small_run;
using Environment = TrainEnvironment<float, Cpu>;

namespace {

/// Two convolutions that share their weights, each with a batch norm of its own and scales that share one parameter.
TrainOptions normalised_run() {
    TrainOptions o = small_run();
    const ConvolutionOptions same{
        .num_output = 8, .kernel_size = 3, .pad = 1, .bias_term = false, .weight_filler = msra()};
    NetBuilder b("normalised");
    b.convolution("conv1", same).batch_norm("bn1", {.moving_average_fraction = 0.8});
    b.scale("scale1", {.bias_term = true}).param({{.name = "gain"}, {}}).relu();
    b.pooling("pool1", {.kernel_size = 3, .stride = 2});
    for (const char* n : {"2", "3"}) {
        b.convolution(std::string("conv") + n, same).param({{.name = "filter"}});
        b.batch_norm(std::string("bn") + n, {.moving_average_fraction = 0.9});
        b.scale(std::string("scale") + n).param({{.name = "gain"}}).relu();
    }
    o.net = b.inner_product("ip", {.num_output = 4, .weight_filler = xavier()}).softmax_with_loss().build();
    o.solver.max_iter = 15;
    return o;
}

TrainSummary run(const TrainOptions& options, int workers) {
    return train_in_threads<float, Cpu>(options, workers);
}

}  // namespace

TEST_CASE("a net with batch norm and shared parameters has one digest for 1, 2, 3 and 4 workers") {
    const TrainSummary reference = run(normalised_run(), 1);
    CHECK(reference.statistics_count == 3 * (8 + 8 + 1));
    CHECK(reference.parameter_count == 8 * 9 + 8 + 8 + 8 * 8 * 9 + 4 * (8 * 36 + 1));
    for (const int workers : {1, 2, 3, 4})
        for (const int threads : {1, 2}) {
            TrainOptions options = normalised_run();
            options.compute.threads = threads;
            const TrainSummary other = run(options, workers);
            INFO(workers << " workers, " << threads << " threads");
            CHECK(other.parameters_digest == reference.parameters_digest);
            CHECK(other.train_loss == reference.train_loss);
            CHECK(other.test_loss == reference.test_loss);
        }
    TrainOptions other_fraction = normalised_run();
    std::get<BatchNormOptions>(other_fraction.net.layers[1].options).moving_average_fraction = 0.7;
    CHECK(run(other_fraction, 1).parameters_digest != reference.parameters_digest);
    TrainOptions one_bucket = normalised_run();
    one_bucket.reducer.bucket_mb = 100;
    one_bucket.reducer.overlap = false;
    CHECK(run(one_bucket, 2).parameters_digest == reference.parameters_digest);
}

TEST_CASE("clipping, decay and momentum leave the statistics alone") {
    TrainOptions frozen = normalised_run();
    frozen.solver.base_lr = 0.0;  // the weights stay, so what is measured depends on the images alone
    const auto statistics_after = [](const TrainOptions& options) {
        Trainer<float, Cpu> trainer(options, {});
        trainer.train();
        std::vector<float> values;
        for (const ParameterInfo& p : trainer.layout().parameters())
            if (p.is_statistic()) {
                const auto span = trainer.parameters().of(p);
                values.insert(values.end(), span.begin(), span.end());
            }
        return values;
    };
    const std::vector<float> reference = statistics_after(frozen);
    frozen.solver.clip_gradients = 1e-3;
    frozen.solver.weight_decay = 0.5;
    frozen.solver.momentum = 0.5;
    CHECK(statistics_after(frozen) == reference);
}

TEST_CASE("the count is a geometric sum, and testing uses the running statistics") {
    TrainOptions options = normalised_run();
    Trainer<float, Cpu> trainer(options, {});
    const double untrained = trainer.evaluate().loss;  // nothing is measured yet
    CHECK(std::isfinite(untrained));
    const double trained = trainer.train().test_loss;
    const ArenaLayout& layout = trainer.layout();
    const auto value = [&](const char* name) {
        return static_cast<double>(trainer.parameters().of(*layout.find(name))[0]);
    };
    CHECK(value("bn1.count") == Approx((1 - std::pow(0.8, 15)) / (1 - 0.8)).epsilon(1e-5));
    CHECK(value("bn2.count") == Approx((1 - std::pow(0.9, 15)) / (1 - 0.9)).epsilon(1e-5));
    CHECK(value("bn1.variance") > 0);
    CHECK(trained < std::log(4.0));  // batch norm in testing knows what training has measured

    // The same figures, however the test images are batched: testing measures nothing.
    options.solver.test_batch = 7;
    CHECK(run(options, 2).test_loss == Approx(trained).epsilon(1e-5));
}

TEST_CASE("a run with statistics that is interrupted and resumed has the bits of one that is not") {
    const TrainSummary reference = run(normalised_run(), 1);
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = normalised_run();
    options.output.directory = scratch.path().string();
    Environment environment;
    std::atomic<int> asked{0};
    environment.stop_requested = [&] { return asked++ >= 2 * 6; };
    CHECK_THROWS_AS((train_in_threads<float, Cpu>(options, 2, environment)), PreemptedError);
    Environment again;
    again.resume = true;
    const TrainSummary resumed = train_in_threads<float, Cpu>(options, 3, again);
    CHECK(resumed.resumed_from > 0);
    CHECK(resumed.parameters_digest == reference.parameters_digest);
    CHECK(resumed.test_loss == reference.test_loss);
}
