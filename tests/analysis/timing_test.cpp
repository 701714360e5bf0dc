// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "analysis/on_threads.hpp"
#include "analysis/peak.hpp"
#include "firecaffe/analysis/timing.hpp"
#include "firecaffe/net/builder.hpp"
#include "firecaffe/ops/multiply_adds.hpp"

using namespace firecaffe;

namespace {

NetSpec small() {
    return NetBuilder("small")
        .convolution("conv1", {.num_output = 16, .kernel_size = 5, .pad = 2, .weight_filler = xavier()})
        .relu()
        .pooling("pool1", {.kernel_size = 2, .stride = 2})
        .inner_product("ip1", {.num_output = 10, .weight_filler = xavier()})
        .softmax_with_loss()
        .build();
}

Timing timed(TimingOptions options) {
    return time_net(small(), options, LayerRegistry<float, Cpu>::with_builtin());
}

const LayerTime& layer(const Timing& timing, const std::string& name) {
    const auto found =
        std::find_if(timing.layers.begin(), timing.layers.end(), [&](const auto& l) { return l.name == name; });
    REQUIRE(found != timing.layers.end());
    return *found;
}

}  // namespace

TEST_CASE("every layer is timed, and the parts do not exceed the whole") {
    for (const int threads : {1, 2}) {
        const Timing t = timed({.data = Shape{4, 1, 28, 28}, .iterations = 5, .threads = threads});
        CHECK(layer(t, "conv1").forward > 0);
        CHECK(layer(t, "conv1").backward > 0);
        CHECK(layer(t, "conv1").work.forward ==
              2 * layer(t, "conv1").work.macs + 2 * 4 * 16 * 28 * 28);  // and the ReLU
        CHECK(layer(t, "relu_conv1").work.forward == 0);
        CHECK(layer(t, "relu_conv1").work.backward == 4 * 16 * 28 * 28);
        CHECK(layer(t, "conv1").work.macs == 4 * 16 * 28 * 28 * 25);
        CHECK(layer(t, "relu_conv1").absorbed);
        CHECK(layer(t, "relu_conv1").forward == 0);  // conv1 does it
        CHECK(layer(t, "relu_conv1").backward > 0);
        CHECK(layer(t, "loss").forward > 0);
        double slowest = 0;
        for (const LayerTime& l : t.layers) slowest = std::max(slowest, l.backward);
        CHECK(slowest < t.total.backward);
        CHECK(layer(t, "loss").gradients_ready == 0);
        const std::size_t of_ip1 = 10 * 16 * 14 * 14 + 16;  // its bias takes a multiple of 16
        CHECK(layer(t, "ip1").gradients_ready == of_ip1);
        CHECK(layer(t, "pool1").gradients_ready == of_ip1);
        CHECK(layer(t, "conv1").gradients_ready == of_ip1 + 16 * 25 + 16);
        CHECK(t.total.work.macs == layer(t, "conv1").work.macs + layer(t, "ip1").work.macs);
        CHECK(t.images_per_second() == Approx(4 * threads / (t.packing + t.total.forward + t.total.backward)));
        CHECK(t.peak > 1e8);
        CHECK_FALSE(t.peak_instructions.empty());
        CHECK(t.share_of_peak(static_cast<std::int64_t>(t.peak), 2.0) == Approx(0.5 * threads).epsilon(1e-6));
        CHECK(t.share_of_peak(1, 0.0) == 0.0);
    }
}

TEST_CASE("layers that run together are timed where they run, and keep their names") {
    const ConvolutionOptions product{.num_output = 8, .kernel_size = 1, .weight_filler = xavier()};
    NetBuilder b("siblings");
    b.convolution("stem", product).convolution("a", product).relu().from("stem").convolution("b", product).relu();
    b.concat("joined", {"a", "b"}).inner_product("scores", {.num_output = 10, .weight_filler = xavier()});
    const NetSpec spec = b.softmax_with_loss().build();
    const auto registry = LayerRegistry<double, Cpu>::with_builtin();
    TimingOptions options{.data = Shape{4, 1, 9, 9}, .iterations = 3};
    const Timing apart = time_net(spec, options, registry);
    options.merge_siblings = true;
    const Timing together = time_net(spec, options, registry);
    REQUIRE(together.layers.size() == apart.layers.size());
    CHECK(layer(apart, "b").run_by.empty());
    CHECK(layer(together, "b").run_by == "a");
    CHECK(layer(together, "b").forward == 0);
    CHECK(layer(together, "b").work.forward + layer(together, "b").work.backward == 0);
    CHECK(layer(together, "relu_b").work.forward == 0);
    CHECK(layer(together, "relu_b").work.backward > 0);
    CHECK(layer(together, "a").work.forward == layer(apart, "a").work.forward + layer(apart, "b").work.forward);
    CHECK(layer(together, "a").work.backward == layer(apart, "a").work.backward + layer(apart, "b").work.backward);
    CHECK(together.total.work.macs == apart.total.work.macs);
    const auto json = nlohmann::json::parse(timing_json(together));
    CHECK(std::any_of(json["layers"].begin(), json["layers"].end(),
                      [](const auto& l) { return l["name"] == "b" && l["run_by"] == "a"; }));
}

TEST_CASE("the loops of multiply-adds count what they do") {
    const auto loops = ops::multiply_adds();
    REQUIRE_FALSE(loops.empty());
    for (const ops::MultiplyAdds& loop : loops) {
        INFO(loop.instructions);
        const std::int64_t ten = loop.run(10);
        CHECK(ten > 0);
        CHECK(ten % (10 * 2 * 12) == 0);  // a multiplication and an addition in twelve chains
        CHECK(loop.run(1000) == 100 * ten);
    }
}

TEST_CASE("a rate of several threads is over the time of all of them") {
    using analysis::Burst;
    const std::chrono::steady_clock::time_point start{};
    const auto after = [&](int seconds) { return start + std::chrono::seconds(seconds); };
    const std::vector<Burst> at_once{{start, after(1), 10}, {start, after(1), 10}};
    const std::vector<Burst> one_by_one{{after(1), after(2), 10}, {start, after(1), 10}};
    CHECK(analysis::joint_rate(at_once) == Approx(20));
    CHECK(analysis::joint_rate(one_by_one) == Approx(10));
    CHECK(analysis::joint_rate({}) == 0.0);
}

TEST_CASE("threads that cannot all be started do nothing, and leave") {
    int started = 0;
    std::atomic<int> ran = 0;
    const auto two = [&](std::function<void()> body) {
        if (++started > 2) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
        return analysis::start_thread(std::move(body));
    };
    CHECK_THROWS_WITH(analysis::on_threads(
                          3, [&](std::size_t) { ++ran; }, two),
                      Catch::Matchers::Contains("cannot run 3 threads at once: the system starts 2"));
    CHECK(ran == 0);
    analysis::on_threads(3, [&](std::size_t) { ++ran; });
    CHECK(ran == 3);
    CHECK_THROWS_WITH(analysis::on_threads(2, [](std::size_t t) { throw UsageError("thread ", t); }), "thread 0");
}

TEST_CASE("an Embed is given indices, also behind layers that only copy") {
    const NetSpec spec = NetBuilder("words")
                             .split("copies", {"words", "same_words"})
                             .flatten("row")
                             .embed("embed", {.input_dim = 3, .num_output = 2, .weight_filler = xavier()})
                             .inner_product("scores", {.num_output = 2, .weight_filler = xavier()})
                             .softmax_with_loss()
                             .build();
    const Timing t =
        time_net(spec, {.data = Shape{2, 5, 1, 1}, .iterations = 1}, LayerRegistry<float, Cpu>::with_builtin());
    CHECK(layer(t, "embed").forward > 0);
}

TEST_CASE("the work of a type of the program's own is told to the clock, too") {
    TimingOptions options{.data = Shape{1, 1, 12, 12}, .iterations = 1};
    options.custom_work["Pooling"] = [](const LayerSpec&, const LayerSummary&) { return LayerWork{0, 7, 8}; };
    const Timing t = timed(options);
    CHECK(layer(t, "pool1").work.forward == 7);
    CHECK(layer(t, "pool1").work.backward == 8);
}

TEST_CASE("the times as JSON") {
    const auto json = nlohmann::json::parse(timing_json(timed({.data = Shape{2, 1, 12, 12}, .iterations = 1})));
    CHECK(json["net"] == "small");
    CHECK(json["input"] == nlohmann::json({2, 1, 12, 12}));
    CHECK(json["layers"][0]["name"] == "conv1");
    CHECK(json["layers"][0]["forward_seconds"].get<double>() > 0);
    CHECK(json["total"]["forward_operations"].get<std::int64_t>() > 0);
    CHECK(json["peak_operations_per_second"].get<double>() > 0);
}

TEST_CASE("nothing to time is refused") {
    CHECK_THROWS_AS(timed({.data = Shape{1, 1, 12, 12}, .iterations = 0}), UsageError);
    CHECK_THROWS_AS(timed({.data = Shape{1, 1, 12, 12}, .threads = 0}), UsageError);
}
