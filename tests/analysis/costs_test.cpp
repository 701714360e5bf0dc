// SPDX-License-Identifier: Apache-2.0
// Figures worked out by hand.
#include "catch.hpp"

#include <nlohmann/json.hpp>

#include "firecaffe/analysis/costs.hpp"
#include "firecaffe/net/builder.hpp"

using namespace firecaffe;

namespace {

NetSpec small() {
    return NetBuilder("small")
        .convolution("conv1", {.num_output = 4, .kernel_size = 3, .pad = 1})
        .relu()
        .pooling("pool1", {.kernel_size = 2, .stride = 2})
        .inner_product("ip1", {.num_output = 10})
        .softmax_with_loss()
        .build();
}

Analysis analyzed(const NetSpec& spec, AnalysisOptions options) {
    return analyze(spec, options, LayerRegistry<float, Cpu>::with_builtin());
}

const Shape kData{2, 3, 8, 8};

void check_work(const LayerCost& cost, std::int64_t macs, std::int64_t forward, std::int64_t backward) {
    INFO(cost.name);
    CHECK(cost.work.known);
    CHECK(cost.work.macs == macs);
    CHECK(cost.work.forward == forward);
    CHECK(cost.work.backward == backward);
}

}  // namespace

TEST_CASE("our rule counts biases and every layer, and no gradient of the images") {
    const Analysis a = analyzed(small(), {.data = kData});
    REQUIRE(a.layers.size() == 6);
    CHECK(a.layers[0].name == "data");
    CHECK(a.layers[0].data_bytes == 2 * 3 * 8 * 8 * 4);

    const LayerCost& conv = a.layers[1];  // 512 outputs of 27 products and a bias
    check_work(conv, 13824, 2 * 13824 + 512, 2 * 13824 + 512);
    CHECK(conv.parameters == 4 * 27 + 4);
    CHECK(conv.parameter_bytes() == 448);
    CHECK(conv.data_bytes == 512 * 4);
    // forward x, y, parameters; backward dy, x, parameters and their gradients
    CHECK(conv.traffic_bytes == 4 * ((384 + 512 + 112) + (512 + 384 + 2 * 112)));
    CHECK(conv.intensity() == Approx(2 * 28160.0 / 8512));

    check_work(a.layers[2], 0, 512, 512);
    CHECK(a.layers[2].data_bytes == 0);                  // in place
    CHECK(a.layers[2].traffic_bytes == 4 * (3 * 512));   // forward inside of conv1; backward y, dy, dx
    check_work(a.layers[3], 0, 128 * 4, 128);            // maxima of four
    check_work(a.layers[4], 1280, 2580, 4 * 1280 + 20);  // both gradients and the bias'
    CHECK(a.layers[4].parameters == 650);
    check_work(a.layers[5], 0, 20 * 5, 20 * 2);

    CHECK(a.total.parameters == 112 + 650);
    CHECK(a.total.data_bytes == 1536 + 2048 + 512 + 80 + 4);
    CHECK(a.total.work.macs == 13824 + 1280);
    CHECK(a.total.work.forward == 28160 + 512 + 512 + 2580 + 100);
    CHECK(a.total.work.backward == 28160 + 512 + 128 + 5140 + 40);
}

TEST_CASE("the paper's rule counts filters and what they read") {
    const Analysis a = analyzed(small(), {.data = kData, .rule = CountingRule::paper});
    REQUIRE(a.layers.size() == 2);
    check_work(a.layers[0], 13824, 2 * 13824, 4 * 13824);  // the images' gradient, too
    CHECK(a.layers[0].parameters == 108);
    CHECK(a.layers[0].data_bytes == 1536);
    check_work(a.layers[1], 1280, 2560, 5120);
    CHECK(a.layers[1].parameters == 640);
    CHECK(a.layers[1].data_bytes == 2 * 64 * 4);
}

TEST_CASE("groups, strides and means") {
    const NetSpec spec =
        NetBuilder("grouped")
            .convolution("conv1", {.num_output = 8, .kernel_size = 3, .stride = 2, .group = 2, .bias_term = false})
            .pooling("mean", {.pool = ops::PoolMethod::average, .global_pooling = true})
            .lrn("norm", {.local_size = 3})
            .dropout()
            .concat("join", {"norm", "mean"})
            .softmax("p")
            .build();
    const Analysis a = analyzed(spec, {.data = Shape{1, 4, 9, 9}, .phase = Phase::test});
    REQUIRE(a.layers.size() == 7);
    check_work(a.layers[1], 8 * 4 * 4 * (2 * 9), 2 * 2304, 0);
    check_work(a.layers[2], 0, 8 * (16 + 1), 0);
    check_work(a.layers[3], 0, 8 * 7, 0);
    check_work(a.layers[4], 0, 0, 0);  // dropout does nothing in the test phase
    check_work(a.layers[5], 0, 0, 0);  // a copy
    check_work(a.layers[6], 0, 16 * 5, 0);
}

TEST_CASE("a deconvolution multiplies for each input, and a norm within a channel looks at a square") {
    const NetSpec spec = NetBuilder("up")
                             .deconvolution("up1", {.num_output = 6, .kernel_size = 4, .stride = 2, .pad = 1})
                             .lrn("norm1", {.local_size = 3, .norm_region = ops::NormRegion::within_channel})
                             .build();
    const Analysis a = analyzed(spec, {.data = Shape{1, 4, 5, 5}, .phase = Phase::test});
    check_work(a.layers[1], 4 * 25 * (6 * 16), 2 * 9600 + 6 * 100, 0);
    CHECK(a.layers[1].parameters == 4 * 6 * 16 + 6);
    check_work(a.layers[2], 0, 600 * (9 + 4), 0);
}

TEST_CASE("a shared parameter counts once, and is read by each of its layers") {
    const NetSpec spec = NetBuilder("shared")
                             .convolution("first", {.num_output = 3, .kernel_size = 1, .bias_term = false})
                             .param({{.name = "filters"}})
                             .convolution("second", {.num_output = 3, .kernel_size = 1, .bias_term = false})
                             .param({{.name = "filters"}})
                             .inner_product("ip", {.num_output = 2, .bias_term = false})
                             .softmax_with_loss()
                             .build();
    const Analysis ours = analyzed(spec, {.data = kData});
    CHECK(ours.layers[1].parameters == 9);
    CHECK(ours.layers[2].parameters == 0);
    CHECK(ours.total.parameters == 9 + 2 * 192);
    // forward x, y, filters; backward dy, x, dx, filters and their gradient
    CHECK(ours.layers[2].traffic_bytes == 4 * ((384 + 384 + 9) + (3 * 384 + 2 * 9)));
    const Analysis paper = analyzed(spec, {.data = kData, .rule = CountingRule::paper});
    CHECK(paper.layers[0].parameters == 9);
    CHECK(paper.layers[1].parameters == 0);
    CHECK(paper.total.parameters == 9 + 2 * 192);
}

TEST_CASE("statistics are no learned values, but they are moved") {
    const Analysis a = analyzed(NetBuilder("norm").batch_norm("norm").build(), {.data = kData, .phase = Phase::test});
    CHECK(a.layers[1].parameters == 0);
    CHECK(a.layers[1].traffic_bytes == 4 * (384 + 384 + 3 + 3 + 1));  // and the mean, the variance, the count
}

TEST_CASE("a Bias of several axes adds once per element, and an InfogainLoss looks at the scores and not at H") {
    const NetSpec bias = NetBuilder("bias").bias("shift", {.num_axes = 3}).build();
    check_work(analyzed(bias, {.data = kData, .phase = Phase::test}).layers[1], 0, 384, 0);
    NetSpec infogain = NetBuilder("infogain")
                           .inner_product("h", {.num_output = 1600, .bias_term = false})
                           .from("data")
                           .inner_product("scores", {.num_output = 40, .bias_term = false})
                           .infogain_loss("loss", {})
                           .build();
    infogain.layers.back().bottom = {"scores", "label", "h"};
    const Analysis a = analyzed(infogain, {.data = Shape{1, 3, 8, 8}});
    check_work(a.layers[3], 0, 40 * 8, 40 * 3);  // H has 1600 elements
}

TEST_CASE("figures that grow with the batch grow with it, and those of parameters do not") {
    const Analysis one = analyzed(small(), {.data = Shape{1, 3, 8, 8}});
    const Analysis many = analyzed(small(), {.data = Shape{1000, 3, 8, 8}});
    CHECK(many.total.work.forward == 1000 * one.total.work.forward);
    CHECK(many.total.work.macs == 1000 * one.total.work.macs);
    CHECK(many.total.parameters == one.total.parameters);
}

TEST_CASE("a worker's memory") {
    const Analysis train = analyzed(small(), {.data = kData, .state_arrays = 2});
    const std::size_t arena = (10 + 6 + 640 + 4 + 12 + 108 + 4) * sizeof(float);  // each parameter rounded up to 16
    CHECK(train.memory.parameters == arena);
    CHECK(train.memory.gradients == arena);
    CHECK(train.memory.solver_state == 2 * arena);
    CHECK(train.memory.activations > 0);
    CHECK(train.memory.activations <= train.memory.unshared_activations);
    CHECK(train.memory.total() == 4 * arena + train.memory.activations);
    const Analysis test = analyzed(small(), {.data = kData, .phase = Phase::test});
    CHECK(test.memory.gradients + test.memory.solver_state == 0);
    CHECK(test.memory.activations < train.memory.activations);
}

TEST_CASE("a type of the user's own is unknown unless its work is told") {
    struct Twice final : Layer<float, Cpu> {
        LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
        void forward(const ForwardPass<float, Cpu>&) override {}
        void backward(const BackwardPass<float, Cpu>&) override {}
    };
    auto registry = LayerRegistry<float, Cpu>::with_builtin();
    registry.add("Twice", [](const LayerSpec&) { return std::make_unique<Twice>(); });
    const NetSpec spec = NetBuilder("custom").custom("twice", "Twice").build();
    AnalysisOptions options{.data = kData};
    const Analysis unknown = analyze(spec, options, registry);
    CHECK_FALSE(unknown.layers[1].work.known);
    CHECK_FALSE(unknown.total.work.known);
    options.custom_work["Twice"] = [](const LayerSpec&, const LayerSummary& layer) {
        return LayerWork{0, layer.tops[0].shape.count(), 0};
    };
    const Analysis told = analyze(spec, options, registry);
    check_work(told.layers[1], 0, 384, 0);
    CHECK(told.total.work.known);
}

TEST_CASE("JSON has all figures") {
    const auto json = nlohmann::json::parse(analysis_json(analyzed(small(), {.data = kData})));
    CHECK(json["net"] == "small");
    CHECK(json["rule"] == "ours");
    CHECK(json["phase"] == "train");
    CHECK(json["input"] == nlohmann::json({2, 3, 8, 8}));
    REQUIRE(json["layers"].size() == 6);
    const auto& conv = json["layers"][1];
    CHECK(conv["name"] == "conv1");
    CHECK(conv["type"] == "Convolution");
    CHECK(conv["tops"] == nlohmann::json({{2, 4, 8, 8}}));
    CHECK(conv["parameters"] == 112);
    CHECK(conv["multiply_adds"] == 13824);
    CHECK(conv["backward_operations"] == 28160);
    CHECK(json["total"]["parameter_bytes"] == 762 * 4);
    CHECK(json["worker_memory"]["gradient_bytes"] == json["worker_memory"]["parameter_bytes"]);
    CHECK(json["total"]["operations_known"] == true);
}

TEST_CASE("what does not fit is said as when the net is built") {
    CHECK_THROWS_WITH(
        analyzed(NetBuilder("n").convolution("big", {.num_output = 1, .kernel_size = 9}).build(), {.data = kData}),
        Catch::Matchers::Contains("'big'"));
}
