// SPDX-License-Identifier: Apache-2.0
// Training with gradients that travel as factors: the digest of training without, and fewer bytes.
#include "catch.hpp"

#include <algorithm>
#include <atomic>

#include "firecaffe/core/error.hpp"
#include "firecaffe/layers/builtin/inner_product.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::small_run;

namespace {

/// Weights of 64 x 400, 8 x 64 and 4 x 8, the second of which is not learned.
TrainOptions run_with(FactorUse use) {
    TrainOptions o = small_run();
    NetBuilder b("products");
    b.convolution("conv", {.num_output = 16, .kernel_size = 3, .weight_filler = msra()}).relu();
    b.pooling("pool", {.kernel_size = 2, .stride = 2});
    b.inner_product("ip1", {.num_output = 64, .weight_filler = xavier()}).relu().dropout({.dropout_ratio = 0.2});
    b.inner_product("ip2", {.num_output = 8, .weight_filler = xavier()}).param({{.lr_mult = 0}, {.lr_mult = 2}}).relu();
    b.inner_product("ip3", {.num_output = 4, .bias_term = false, .weight_filler = xavier()});
    o.net = b.softmax_with_loss().build();
    o.solver.max_iter = 12;
    o.reducer.type = "tree";
    o.reducer.factors = use;
    return o;
}

TrainSummary run(const TrainOptions& options, int workers) {
    return train_in_threads<float, Cpu>(options, workers);
}

/// An inner product whose products of factors no other one makes, as on a machine of another kind.
class OddProduct final : public Layer<float, Cpu> {
  public:
    explicit OddProduct(int number) : number_(number) {}
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) override { return inner_.setup(bottoms, phase); }
    void parameters_changed(std::span<const float* const> values) override { inner_.parameters_changed(values); }
    void forward(const ForwardPass<float, Cpu>& pass) override { inner_.forward(pass); }
    void backward(const BackwardPass<float, Cpu>& pass) override { inner_.backward(pass); }
    std::optional<GradientFactors<float>> factors(std::size_t i) const override {
        auto found = inner_.factors(i);
        if (found)
            found->multiply = [multiply = found->multiply, number = number_](const float* from, float* gradient) {
                multiply(from, gradient);
                gradient[0] += static_cast<float>(number);
            };
        return found;
    }
    void write_factors(const BackwardPass<float, Cpu>& pass, std::size_t i, const FactorPlace<float>& to) override {
        inner_.write_factors(pass, i, to);
    }

  private:
    InnerProductLayer<float, Cpu> inner_{{.num_output = 4, .weight_filler = xavier()}};
    const int number_;
};

}  // namespace

TEST_CASE("the digest is that of training without factors, for any number of workers and threads") {
    const TrainSummary reference = run(run_with(FactorUse::never), 1);
    for (const FactorUse use : {FactorUse::always, FactorUse::automatic})
        for (const int workers : {1, 2, 3, 4, 8, 11})
            for (const int threads : {1, 2}) {
                TrainOptions options = run_with(use);
                options.compute.threads = threads;
                const TrainSummary other = run(options, workers);
                CAPTURE(static_cast<int>(use), workers, threads);
                CHECK(other.parameters_digest == reference.parameters_digest);
                CHECK(other.train_loss == reference.train_loss);
                CHECK(other.factors.size() == (workers == 1 ? 0 : 3));
            }
}

TEST_CASE("in double, by other schemes, with clipping, several passes and a rule that needs norms it is so, too") {
    const auto same = [](auto&& change, int workers) {
        TrainOptions plain = run_with(FactorUse::never), with = run_with(FactorUse::always);
        change(plain), change(with);
        const TrainSummary a = train_in_threads<double, Cpu>(plain, 1),
                           b = train_in_threads<double, Cpu>(with, workers);
        CHECK(a.parameters_digest == b.parameters_digest);
        const TrainSummary c = run(plain, 1), d = run(with, workers);
        CHECK(c.parameters_digest == d.parameters_digest);
    };
    same([](TrainOptions& o) { o.solver.clip_gradients = 0.05; }, 2);
    same([](TrainOptions& o) { o.solver.type = SolverOptions::Type::lamb; }, 3);
    same([](TrainOptions& o) { o.solver.iter_size = 2, o.solver.shards = 4; }, 2);
    same([](TrainOptions& o) { o.solver.shards = 7, o.solver.global_batch = 28, o.reducer.overlap = false; }, 3);
    same([](TrainOptions& o) { o.reducer.type = "auto", o.reducer.bucket_mb = 4; }, 4);
    same([](TrainOptions& o) { o.reducer.type = "direct"; }, 3);
}

TEST_CASE("auto sends as factors what is fewer bytes, and the summary says what was chosen") {
    const TrainSummary sums = run(run_with(FactorUse::never), 2), always = run(run_with(FactorUse::always), 2),
                       automatic = run(run_with(FactorUse::automatic), 2);
    CHECK(sums.factors.empty());
    REQUIRE(automatic.factors.size() == 3);
    REQUIRE(always.factors.size() == 3);
    // 16 samples per worker: each sends its factors once and receives as much; a sum goes up and comes down.
    const char* const names[] = {"ip3.weight", "ip2.weight", "ip1.weight"};
    const std::size_t rows[] = {4, 8, 64}, columns[] = {8, 64, 400};
    std::uint64_t spared_by_factors = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        const FactorChoice& choice = automatic.factors[i];
        CAPTURE(names[i]);
        CHECK(choice.parameter == names[i]);
        CHECK(choice.rows == rows[i]);
        CHECK(choice.columns == columns[i]);
        CHECK(choice.sum_bytes == 2 * rows[i] * columns[i] * sizeof(float));
        CHECK(choice.factor_bytes == 2 * 16 * (rows[i] + columns[i]) * sizeof(float));
        CHECK(choice.as_factors == (i == 2));
        CHECK(always.factors[i].as_factors);
        if (choice.as_factors) spared_by_factors = choice.sum_bytes - choice.factor_bytes;
    }
    CHECK(automatic.communication_bytes < always.communication_bytes);
    // Of rank 0's share, which is half: 12 steps, but for the headers of messages and the evaluation's.
    const auto spared = static_cast<double>(sums.communication_bytes - automatic.communication_bytes);
    CHECK(spared == Approx(12 * static_cast<double>(spared_by_factors) / 2).epsilon(0.02));
}

TEST_CASE("workers that multiply in ways of their own refuse to train with factors, and train without") {
    std::atomic<int> made{0};
    TrainEnvironment<float, Cpu> environment;
    environment.layers.add("OddProduct", [&](const LayerSpec&) { return std::make_unique<OddProduct>(++made); });
    const auto run_odd = [&](FactorUse use, int workers) {
        TrainOptions options = run_with(use);
        const auto last = std::ranges::find(options.net.layers, "ip3", &LayerSpec::name);
        last->type = "OddProduct";
        last->options = CustomLayerOptions{};
        options.solver.max_iter = 2;
        return train_in_threads<float, Cpu>(options, workers, environment);
    };
    CHECK_THROWS_AS(run_odd(FactorUse::always, 2), ConfigError);
    CHECK_THROWS_WITH(run_odd(FactorUse::always, 2),
                      Contains("/reducer/factors: the product of the same factors of 'ip3.weight' (4 x 8, ") &&
                          Contains("has other bits on rank 1 than on rank 0") && Contains("use 'never'"));
    run_odd(FactorUse::always, 1);
    run_odd(FactorUse::never, 2);
}

TEST_CASE("factors that contradict other options are refused before anything runs") {
    TrainOptions options = run_with(FactorUse::automatic);
    options.reducer.period = 2;
    for (const int workers : {1, 2}) CHECK_THROWS_WITH(run(options, workers), Contains("/reducer/factors"));
}
