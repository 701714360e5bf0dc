// SPDX-License-Identifier: Apache-2.0
// Convolutions of 1 x 1 that read one blob and run as one.
#include "catch.hpp"

#include <algorithm>
#include <map>

#include "firecaffe/net/builder.hpp"
#include "support/allocation_counter.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::AllocationCounter;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

const NetOptions kTogether{.data = Shape{3, 2, 7, 6}, .merge_siblings = true};

ConvolutionOptions product(std::int64_t outputs) {
    return {.num_output = outputs, .kernel_size = 1, .weight_filler = xavier(), .bias_filler = gaussian(0.3)};
}
ConvolutionOptions square(std::int64_t outputs, std::int64_t side) {
    return {.num_output = outputs, .kernel_size = side, .pad = side / 2, .weight_filler = xavier()};
}

/// GoogLeNet in small; with or without ReLUs, whose kinks would spoil differences. The backend for float joins channels
/// in whole blocks only; so `unit` channels are one.
NetSpec inception(bool relu, std::int64_t unit = 1) {
    NetBuilder b("inception");
    const auto activate = [&] {
        if (relu) b.relu();
    };
    b.convolution("stem", square(6, 3));
    activate();
    b.from("stem").convolution("1x1", product(5 * unit));
    activate();
    b.from("stem").convolution("3x3_reduce", product(4 * unit));
    activate();
    b.convolution("3x3", square(6, 3));
    activate();
    b.from("stem").convolution("5x5_reduce", product(3 * unit));
    activate();
    b.convolution("5x5", square(2, 5));
    activate();
    b.from("stem").pooling("pool", {.pool = ops::PoolMethod::average, .kernel_size = 3, .pad = 1});
    b.convolution("pool_proj", product(3));
    activate();
    b.concat("output", {"1x1", "3x3", "5x5", "pool_proj"});
    b.inner_product("scores", {.num_output = 4, .weight_filler = xavier()});
    return b.softmax_with_loss().build();
}

/// Layer -> position in the spec of the one that runs it.
std::map<std::string, int> run_by(const NetSpec& spec, const NetOptions& options) {
    std::map<std::string, int> found;
    const Net<double, Cpu> net(spec, options, LayerRegistry<double, Cpu>::with_builtin());
    for (const LayerSummary& layer : net.summary())
        if (layer.run_by >= 0) found[layer.name] = layer.run_by;
    return found;
}
std::map<std::string, int> run_by(const NetSpec& spec) {
    return run_by(spec, kTogether);
}

int position(const NetSpec& spec, const std::string& name) {
    const auto found = std::ranges::find(spec.layers, name, &LayerSpec::name);
    return static_cast<int>(found - spec.layers.begin());
}

std::vector<double> gradients_of(NetUnderTest<double>& t) {
    t.loss();
    t.net.backward(t.key, t.gradients);
    return {t.gradients.values().begin(), t.gradients.values().end()};
}

}  // namespace

TEST_CASE("1 x 1 convolutions that read one blob run by the first of them, on the CPU only if it is asked for") {
    const NetSpec spec = inception(true);
    const int first = position(spec, "1x1");
    CHECK(run_by(spec) == std::map<std::string, int>{{"3x3_reduce", first}, {"5x5_reduce", first}});
    CHECK(run_by(spec, {.data = kTogether.data}).empty());
    CHECK(run_by(spec, {.data = kTogether.data, .merge_siblings = false}).empty());
}

TEMPLATE_TEST_CASE("layers that run together have the loss and nearly the gradients of those that do not", "", float,
                   double) {
    const NetSpec spec = inception(true, sizeof(TestType) == 4 ? 16 : 1);
    NetUnderTest<TestType> together(spec, kTogether, 4), apart(spec, kTogether.data, 4);
    const double tolerance = sizeof(TestType) == 4 ? 1e-5 : 1e-13;
    REQUIRE(together.net.layout().parameters().size() == apart.net.layout().parameters().size());
    CHECK(std::ranges::equal(together.parameters.values(), apart.parameters.values()));  // drawn by the same names
    for (int step = 0; step < 2; ++step) {
        CHECK(static_cast<double>(together.loss()) == Approx(static_cast<double>(apart.loss())).epsilon(tolerance));
        together.net.backward(together.key, together.gradients);
        apart.net.backward(apart.key, apart.gradients);
        for (const ParameterInfo& p : apart.net.layout().parameters()) {
            INFO(p.name);
            CHECK(together.net.layout().find(p.name)->offset == p.offset);
            double largest = 0, worst = 0;
            for (std::size_t i = 0; i < p.count; ++i) {
                const auto wanted = static_cast<double>(apart.gradients.of(p)[i]);
                largest = std::max(largest, std::abs(wanted));
                worst = std::max(worst, std::abs(static_cast<double>(together.gradients.of(p)[i]) - wanted));
            }
            CHECK(largest > 0);
            CHECK(worst <= tolerance * largest);
        }
        for (TestType& w : apart.parameters.values()) w += TestType(0.01);
        std::ranges::copy(apart.parameters.values(), together.parameters.values().begin());
    }
}

TEST_CASE("the gradients of layers that run together agree with differences of the loss") {
    NetUnderTest<double> t(inception(false), kTogether, 4);
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);
}

TEST_CASE("a gradient of a layer that runs early or late is final when the prefix says so") {
    NetUnderTest<double> t(inception(true), kTogether, 4);
    const std::vector<double> expected = gradients_of(t);
    struct Listener : GradientListener {
        const Arena<double, Cpu>* gradients = nullptr;
        const std::vector<double>* expected = nullptr;
        std::size_t ready = 0, calls = 0;
        void gradients_ready(std::size_t prefix) override {
            CHECK(prefix >= ready);
            ready = prefix, ++calls;
            CHECK(std::equal(expected->begin(), expected->begin() + static_cast<std::ptrdiff_t>(prefix),
                             gradients->values().begin()));
        }
    } listener;
    listener.gradients = &t.gradients, listener.expected = &expected;
    for (const ParameterInfo& p : t.net.layout().parameters()) std::ranges::fill(t.gradients.of(p), 1e30);
    t.loss();
    t.net.backward(t.key, t.gradients, &listener);
    CHECK(listener.ready == t.net.layout().size());
    CHECK(listener.calls == 8);
}

TEST_CASE("layers that run together allocate nothing in a step") {
    NetUnderTest<double> t(inception(true), kTogether, 4);
    t.loss();
    t.net.backward(t.key, t.gradients);
    const AllocationCounter counter;
    t.loss();
    t.net.backward(t.key, t.gradients);
    CHECK(counter.count() == 0);
}

TEST_CASE("what is no product, or differs in its bias or ReLU, runs by itself") {
    const auto pair = [](ConvolutionOptions second, bool relu) {
        NetBuilder b("pair");
        b.convolution("a", product(3)).from("data").convolution("b", second);
        if (relu) b.relu();
        return run_by(b.build());
    };
    CHECK(pair(product(4), false) == std::map<std::string, int>{{"b", 0}});
    CHECK(pair(product(4), true).empty());
    ConvolutionOptions other = product(4);
    other.bias_term = false;
    CHECK(pair(other, false).empty());
    other = product(4);
    other.stride = 2;
    CHECK(pair(other, false).empty());
    other = product(4);
    other.group = 2;
    CHECK(pair(other, false).empty());
    other = product(4);
    other.kernel_w = 3, other.pad_w = 1;
    CHECK(pair(other, false).empty());
    CHECK(pair(square(4, 3), false).empty());
}

TEST_CASE("more siblings than run together make several groups, whatever names their bottom has") {
    NetBuilder b("many");
    b.split("names", {"x", "y"});
    std::vector<std::string> tops;
    for (int i = 0; i < 11; ++i) {
        tops.push_back("c" + std::to_string(i));
        b.from(i % 2 == 0 ? "x" : "y").convolution(tops.back(), product(1 + i % 3));
    }
    b.concat("all", tops).inner_product("scores", {.num_output = 4, .weight_filler = xavier()});
    const NetSpec spec = b.softmax_with_loss().build();
    const auto groups = run_by(spec);
    CHECK(groups.size() == 9);
    CHECK(groups.at("c7") == position(spec, "c0"));
    CHECK(groups.at("c10") == position(spec, "c8"));
    NetUnderTest<double> t(spec, kTogether, 4);
    std::string where;
    CHECK(largest_gradient_error(t, where) < 1e-6);
}

TEST_CASE("siblings of which no loss needs one, one is kept, and two share a weight with a third layer") {
    NetBuilder b("odd");
    b.convolution("stem", square(4, 3));
    b.from("stem").convolution("unused", product(3));
    b.from("stem").convolution("a", product(4)).param({{.name = "w"}, {}});
    b.convolution("between", product(4)).param({{.name = "w"}, {}});
    b.from("stem").convolution("b", product(4)).param({{.name = "w"}, {}});
    b.concat("output", {"between", "b"}).inner_product("scores", {.num_output = 4, .weight_filler = xavier()});
    const NetSpec spec = b.softmax_with_loss().build();
    NetOptions options = kTogether;
    options.retain = {"a", "unused"};
    CHECK(run_by(spec, options).size() == 2);
    NetUnderTest<double> t(spec, options, 4);
    std::string where;
    CHECK(largest_gradient_error(t, where) < 1e-6);
    NetUnderTest<double> apart(spec, NetOptions{.data = options.data, .retain = options.retain}, 4);
    t.loss(), apart.loss();
    for (const std::string& blob : options.retain)
        CHECK(std::ranges::equal(t.net.blob(blob).storage(), apart.net.blob(blob).storage()));
    const std::vector<double> gradients = gradients_of(t);
    const ParameterInfo& unused = *t.net.layout().find("unused.weight");
    CHECK(std::all_of(gradients.begin() + static_cast<std::ptrdiff_t>(unused.offset),
                      gradients.begin() + static_cast<std::ptrdiff_t>(unused.end()), [](double g) { return g == 0; }));
}

TEST_CASE("a net for testing runs siblings together too, and a planned one tells so without memory") {
    const NetSpec spec = inception(true);
    NetOptions options = kTogether;
    options.phase = Phase::test, options.retain = {"scores"};
    NetUnderTest<double> together(spec, options, 4);
    options.merge_siblings = false;
    NetUnderTest<double> apart(spec, options, 4);
    CHECK(together.loss() == apart.loss());
    options = kTogether;
    options.data = Shape{1000, 2, 700, 600}, options.allocate = false;
    CHECK(run_by(spec, options).size() == 2);
}
