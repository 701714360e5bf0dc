// SPDX-License-Identifier: Apache-2.0
// Parameters that several layers share by name.
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/net/builder.hpp"
#include "support/allocation_counter.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::AllocationCounter;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

const Shape kData{3, 2, 6, 5};
constexpr std::size_t kSharedWeight = 2 * 2 * 9;
/// In place of a ReLU, whose kink would spoil the differences.
const LrnOptions kSmooth{.local_size = 3, .alpha = 0.7, .beta = 0.6, .k = 1.5};

ConvolutionOptions same_size() {
    return {.num_output = 2, .kernel_size = 3, .pad = 1, .weight_filler = xavier(), .bias_filler = gaussian(0.3)};
}
std::vector<ParamOptions> shared() {
    return {{.name = "filter"}, {.name = "offset"}};
}

/// Three steps of one recurrence, and a layer of its own between the second and the third.
NetSpec recurrence() {
    NetBuilder b("recurrence");
    b.convolution("step1", same_size()).param(shared()).lrn("norm1", kSmooth);
    b.convolution("step2", same_size()).param(shared()).lrn("norm2", kSmooth);
    b.convolution("own", same_size());
    b.convolution("step3", same_size()).param(shared());
    return b.inner_product("ip", {.num_output = 3, .weight_filler = xavier()}).softmax_with_loss().build();
}

}  // namespace

TEST_CASE("the gradient of a shared parameter is the sum of all its uses") {
    NetUnderTest<double> t(recurrence(), kData, 3);
    CHECK(t.net.layout().parameters().size() == 6);
    CHECK(t.net.layout().parameter_count() == 2 * (kSharedWeight + 2) + 3 * 60 + 3);
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);

    std::size_t counted = 0;
    for (const LayerSummary& layer : t.net.summary()) counted += layer.parameter_count;
    CHECK(counted == t.net.layout().parameter_count());
}

TEST_CASE("the parts add up even where one of the layers does not run backward") {
    NetSpec spec = recurrence();
    spec.layers.push_back(spec.layers[0]);  // a fourth use, which no loss depends on
    spec.layers.back().name = spec.layers.back().top[0] = "unused";
    NetUnderTest<double> t(spec, kData, 3);
    std::string where;
    CHECK(largest_gradient_error(t, where) < 1e-6);
}

TEST_CASE("weights and biases of inner products, and a parameter shared within one layer") {
    NetBuilder b("n");
    const InnerProductOptions square{.num_output = 4, .weight_filler = xavier(), .bias_filler = gaussian(0.2)};
    b.inner_product("first", {.num_output = 4, .weight_filler = xavier()});
    b.inner_product("a", square).param({{.name = "w"}, {}}).inner_product("b", square).param({{.name = "w"}, {}});
    b.scale("s", {.bias_term = true}).param({{.name = "both"}, {.name = "both"}});
    NetUnderTest<double> t(b.softmax_with_loss().build(), kData, 4);
    std::string where;
    CHECK(largest_gradient_error(t, where) < 1e-6);
    CHECK(t.parameters.of(*t.net.layout().find("both"))[0] == 1.0);  // filled once, as the first says
}

TEST_CASE("a shared parameter is ready when the first of its layers is done, and not before") {
    NetUnderTest<float> t(recurrence(), kData, 3);
    const ArenaLayout& layout = t.net.layout();
    CHECK(layout.parameters().back().name == "offset");
    CHECK(layout.find("filter")->offset > layout.find("own.weight")->offset);
    CHECK(layout.find("step3.weight") == nullptr);

    struct Listener : GradientListener {
        std::vector<std::size_t> prefixes;
        void gradients_ready(std::size_t prefix) override { prefixes.push_back(prefix); }
    } listener;
    t.loss();
    t.net.backward(t.key, t.gradients, &listener);
    CHECK(std::is_sorted(listener.prefixes.begin(), listener.prefixes.end()));
    CHECK(listener.prefixes.back() == layout.size());
    CHECK(std::count_if(listener.prefixes.begin(), listener.prefixes.end(),
                        [&](std::size_t prefix) { return prefix > layout.find("filter")->offset; }) == 1);
}

TEST_CASE("sharing allocates nothing in a step, and a second step writes the same") {
    NetUnderTest<double> t(recurrence(), kData, 3);
    t.loss();
    t.net.backward(t.key, t.gradients);
    const std::vector<double> first(t.gradients.values().begin(), t.gradients.values().end());
    const AllocationCounter counter;
    t.loss();
    t.net.backward(t.key, t.gradients);
    CHECK(counter.count() == 0);
    CHECK(std::ranges::equal(first, t.gradients.values()));
}

TEST_CASE("a net for testing finds shared parameters, whichever of the layers it has") {
    NetSpec spec = recurrence();
    LayerSpec first = spec.layers[0];
    first.name = first.top[0] = "step0";
    first.in_test = false;
    spec.layers.insert(spec.layers.begin(), first);
    NetUnderTest<float> t(spec, kData, 3);
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    Net<float, Cpu> test(spec, {.data = kData, .phase = Phase::test, .layout = &t.net.layout()}, registry);
    test.bind(t.parameters);
    CHECK_NOTHROW(test.forward({}));
}

TEST_CASE("a layer is given no more entries of param than it has parameters") {
    NetBuilder b("n");
    b.convolution("conv1", same_size()).param({{}, {}, {.lr_mult = 2}});
    CHECK_THROWS_WITH((Net<float, Cpu>(b.build(), {.data = kData}, LayerRegistry<float, Cpu>::with_builtin())),
                      Contains("conv1") && Contains("3 entries") && Contains("2 parameters"));
}

TEST_CASE("what one net learns another may not measure") {
    NetBuilder learned("n"), measured("n");
    learned.scale("s").param({{.name = "mean"}}).inner_product("ip", {.num_output = 3}).softmax_with_loss();
    measured.batch_norm("bn").param({{.lr_mult = 0, .name = "mean"}}).softmax("p");
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    const Net<float, Cpu> first(learned.build(), {.data = kData}, registry);
    CHECK_THROWS_WITH(
        (Net<float, Cpu>(measured.build(), {.data = kData, .phase = Phase::test, .layout = &first.layout()}, registry)),
        Contains("'bn'") && Contains("'mean'") && Contains("measured here and learned"));
}

TEST_CASE("layers that cannot share say so, with both names") {
    const auto build = [](ConvolutionOptions second, std::vector<ParamOptions> param, Shape data = kData) {
        NetBuilder b("n");
        b.convolution("conv1", same_size()).param(shared()).convolution("conv2", second).param(std::move(param));
        Net<float, Cpu>(b.build(), {.data = data}, LayerRegistry<float, Cpu>::with_builtin());
    };
    CHECK_NOTHROW(build(same_size(), shared()));
    ConvolutionOptions larger = same_size();
    larger.kernel_size = 5;
    CHECK_THROWS_AS(build(larger, shared()), ShapeError);
    CHECK_THROWS_WITH(build(larger, shared()), Contains("conv1") && Contains("conv2") && Contains("filter") &&
                                                   Contains("2x2x3x3") && Contains("2x2x5x5"));
    CHECK_THROWS_WITH(build(same_size(), {{.lr_mult = 2, .name = "filter"}}),
                      Contains("conv1") && Contains("conv2") && Contains("lr_mult") && Contains("2 here and 1 there"));
    CHECK_THROWS_WITH(build(same_size(), {{.decay_mult = 0, .name = "filter"}}),
                      Contains("conv1") && Contains("conv2") && Contains("decay_mult"));
}
