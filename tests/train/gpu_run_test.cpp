// SPDX-License-Identifier: Apache-2.0
// Whole runs on a GPU ([cuda]): the scale of the loss in float16, clipping, and the file of plans.
#include "catch.hpp"

#include <atomic>

#include "model_io/scratch.hpp"
#include "support/gpu.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

TrainOptions run_on_gpu(Precision precision = Precision::float16) {
    TrainOptions o = small_run();
    o.compute.device = DeviceKind::cuda;
    o.compute.precision = precision;
    o.solver.display = 1;
    o.solver.max_iter = 12;
    o.solver.shards = 4;
    return o;
}

/// A loss whose gradients, and these alone, are too great for float16 until its scale has been lowered a few times.
TrainOptions overflowing_run() {
    TrainOptions o = run_on_gpu();
    for (LayerSpec& layer : o.net.layers)
        if (auto* loss = std::get_if<SoftmaxWithLossOptions>(&layer.options)) loss->loss_weight = 64.0;
    o.solver.base_lr /= 64;
    o.solver.weight_decay *= 64;
    return o;
}

struct Listener : TrainListener {
    std::vector<StepReport> steps;
    std::vector<std::string> warnings;
    void on_step(const StepReport& report) override { steps.push_back(report); }
    void on_warning(const std::string& warning) override { warnings.push_back(warning); }
    std::int64_t left_out() const {
        std::int64_t sum = 0;
        for (const StepReport& step : steps) sum += step.left_out;
        return sum;
    }
};

template <class T = float16>
TrainSummary train(const TrainOptions& options, int workers = 1, Listener* listener = nullptr, bool resume = false) {
    TrainEnvironment<T, Cuda> environment;
    environment.resume = resume;
    if (listener != nullptr) environment.listeners = {listener};
    return train_in_threads<T, Cuda>(options, workers, environment);
}

}  // namespace

TEST_CASE("a dynamic scale of the loss goes down until gradients are finite, alike for any number of workers",
          "[cuda]") {
    if (!has_gpu()) return;
    Listener one, two;
    const TrainOptions options = overflowing_run();
    const TrainSummary summary = train(options, 1, &one);
    REQUIRE(one.steps.size() == 12);
    CHECK(one.left_out() > 0);
    CHECK(one.left_out() < 10);
    CHECK(one.steps.front().left_out == 1);
    CHECK(one.steps.back().loss_scale == 65536.0 / static_cast<double>(std::int64_t{1} << one.left_out()));
    CHECK(train(options, 2, &two).parameters_digest == summary.parameters_digest);
    CHECK(two.left_out() == one.left_out());
    CHECK(summary.train_loss < one.steps.front().loss);
}

TEST_CASE("a recorded step decides as one that is not", "[cuda]") {
    if (!has_gpu()) return;
    for (const bool clips : {false, true}) {
        TrainOptions options = overflowing_run();
        options.solver.shards = 1;
        if (clips) options.solver.clip_gradients = 0.05;
        Listener recorded, queued;
        const std::string digest = train(options, 1, &recorded).parameters_digest;
        options.compute.graph = false;
        CHECK(train(options, 1, &queued).parameters_digest == digest);
        CHECK(recorded.left_out() == queued.left_out());
        CHECK(recorded.left_out() > 0);
    }
}

TEST_CASE("a run that is interrupted keeps the scale of its loss", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions options = overflowing_run();
    const std::string digest = train(options).parameters_digest;
    for (const int stop : {1, 6}) {
        const Scratch scratch(Scratch::Where::memory);
        options.output.directory = scratch.path().string();
        TrainEnvironment<float16, Cuda> environment;
        std::atomic<int> asked{0};
        environment.stop_requested = [&] { return asked++ >= stop; };
        CHECK_THROWS_AS((train_in_threads<float16, Cuda>(options, 1, environment)), PreemptedError);
        Listener rest;
        CHECK(train(options, 1, &rest, true).parameters_digest == digest);
        CHECK(rest.steps.front().loss_scale < 65536.0);
    }
}

TEST_CASE("with a fixed scale of the loss training in float16 goes as in float32", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions options = run_on_gpu();
    options.compute.loss_scale = 256.0;
    Listener half, full;
    train(options, 1, &half);
    CHECK(half.left_out() == 0);
    CHECK(half.steps.back().loss_scale == 256.0);
    train<float>(run_on_gpu(Precision::float32), 1, &full);
    REQUIRE(half.steps.size() == full.steps.size());
    for (std::size_t i = 0; i < full.steps.size(); ++i)
        CHECK(half.steps[i].loss == Approx(full.steps[i].loss).epsilon(0.03));
}

TEST_CASE("scales that workers found for themselves are one where they save", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions options = overflowing_run();
    options.reducer.period = 3;
    const Scratch scratch(Scratch::Where::memory);
    options.output.directory = scratch.path().string();
    options.output.checkpoint_interval = 6;
    options.output.keep = 0;
    const std::string digest = train(options, 2).parameters_digest;
    CHECK(load_checkpoint(scratch / "checkpoints/iter_00000006").state.loss_scale < 65536.0);
    std::filesystem::remove_all(scratch / "checkpoints/iter_00000012");
    CHECK(train(options, 2, nullptr, true).parameters_digest == digest);
}

TEST_CASE("a gradient that no scale makes finite ends a run", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions options = run_on_gpu();
    for (LayerSpec& layer : options.net.layers)
        if (auto* loss = std::get_if<SoftmaxWithLossOptions>(&layer.options)) loss->loss_weight = 1e7;
    options.solver.max_iter = 30;
    CHECK_THROWS_WITH(train(options), Contains("a gradient is not finite") && Contains("bfloat16"));
}

TEST_CASE("clipping on a GPU is the CPU's, whatever the number of workers", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions options = run_on_gpu(Precision::float32);
    options.solver.clip_gradients = 0.5;
    Listener host, device;
    const TrainSummary there = train<float>(options, 1, &device);
    CHECK(train<float>(options, 2).parameters_digest == there.parameters_digest);
    CHECK(train<float>(options, 4).parameters_digest == there.parameters_digest);
    options.compute.device = DeviceKind::cpu;
    TrainEnvironment<float, Cpu> environment;
    environment.listeners = {&host};
    train_in_threads<float, Cpu>(options, 1, environment);
    REQUIRE(host.steps.size() == device.steps.size());
    for (std::size_t i = 0; i < host.steps.size(); ++i)
        CHECK(device.steps[i].loss == Approx(host.steps[i].loss).epsilon(1e-3));
}

TEST_CASE("a run goes on with the plans that a file keeps", "[cuda]") {
    if (!has_gpu()) return;
    const Scratch scratch(Scratch::Where::memory);
    TrainOptions options = run_on_gpu();
    options.compute.plan_cache = (scratch / "plans.json").string();
    Listener listener;
    const std::string digest = train(options, 1, &listener).parameters_digest;
    const std::string kept = slurp(scratch / "plans.json");
    CHECK_THAT(kept, Contains("\"plans\"") && Contains("\"cudnn\""));
    CHECK(train(options, 2, &listener).parameters_digest == digest);
    CHECK(listener.warnings.empty());
    std::string other = kept;
    other.replace(other.find("\"cudnn\": "), 9, "\"cudnn\": 1");
    spill(scratch / "plans.json", other);
    CHECK(train(options, 1, &listener).parameters_digest == digest);
    REQUIRE(listener.warnings.size() == 1);
    CHECK_THAT(listener.warnings.front(), Contains("made anew"));
    CHECK(slurp(scratch / "plans.json") == kept);
    spill(scratch / "plans.json", "{\"solver\": 1}");
    CHECK_THROWS_AS(train(options), DataError);
}
