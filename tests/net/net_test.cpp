// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstring>
#include <utility>

#include "firecaffe/net/builder.hpp"
#include "support/allocation_counter.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::AllocationCounter;
using firecaffe::testing::NetUnderTest;

namespace {

NetSpec small_nin() {
    return NetBuilder("small_nin")
        .convolution("conv1", {.num_output = 16, .kernel_size = 5, .pad = 2, .weight_filler = xavier()})
        .relu()
        .convolution("cccp1", {.num_output = 20, .kernel_size = 1, .weight_filler = xavier()})
        .relu()
        .pooling("pool1", {.kernel_size = 3, .stride = 2})
        .dropout()
        .lrn("norm1")
        .convolution("left", {.num_output = 16, .kernel_size = 3, .pad = 1, .weight_filler = xavier()})
        .from("norm1")
        .pooling("right", {.pool = ops::PoolMethod::average, .kernel_size = 3, .stride = 1, .pad = 1})
        .concat("join", {"left", "right"})
        .convolution("scores", {.num_output = 10, .kernel_size = 1, .weight_filler = xavier()})
        .pooling("mean", {.pool = ops::PoolMethod::average, .global_pooling = true})
        .softmax_with_loss()
        .build();
}

}  // namespace

TEST_CASE("parameters lie in backward order, and readiness is a growing prefix") {
    NetUnderTest<float> t(small_nin(), Shape{4, 1, 12, 12}, 10);
    const auto& parameters = t.net.layout().parameters();
    REQUIRE(parameters.size() == 8);
    CHECK(parameters.front().name == "scores.weight");
    CHECK(parameters.back().name == "conv1.bias");
    for (const ParameterInfo& p : parameters) CHECK(p.offset % 16 == 0);

    struct Listener : GradientListener {
        std::vector<std::size_t> prefixes;
        void gradients_ready(std::size_t prefix) override { prefixes.push_back(prefix); }
    } listener;
    t.loss();
    t.net.backward(t.key, t.gradients, &listener);
    REQUIRE(listener.prefixes.size() >= 4);
    CHECK(std::is_sorted(listener.prefixes.begin(), listener.prefixes.end()));
    CHECK(listener.prefixes.front() == parameters[2].offset);  // the gap behind scores.bias is final, too
    CHECK(parameters[2].offset > parameters[1].end());
    CHECK(listener.prefixes.back() == t.net.layout().size());
}

TEST_CASE("gradients can be those of a scaled loss, with the same bits for a power of two") {
    NetUnderTest<float> t(small_nin(), Shape{4, 1, 12, 12}, 10);
    const double loss = t.loss();
    t.net.backward(t.key, t.gradients);
    std::vector<float> once(t.gradients.values().begin(), t.gradients.values().end());
    for (const float scale : {1024.0f, 0.5f}) {
        t.net.scale_gradients(&scale);
        CHECK(t.loss() == loss);
        t.net.backward(t.key, t.gradients);
        for (std::size_t i = 0; i < once.size(); ++i) REQUIRE(t.gradients.values()[i] == once[i] * scale);
    }
}

TEST_CASE("float on the fast backend agrees with double on the reference") {
    NetUnderTest<float> fast(small_nin(), Shape{4, 1, 13, 12}, 10);
    NetUnderTest<double> exact(small_nin(), Shape{4, 1, 13, 12}, 10);
    CHECK(fast.loss() == Approx(exact.loss()).epsilon(1e-5));
    fast.net.backward(fast.key, fast.gradients);
    exact.net.backward(exact.key, exact.gradients);
    for (const ParameterInfo& p : exact.net.layout().parameters()) {
        double largest = 0, error = 0;
        for (std::size_t i = 0; i < p.count; ++i) {
            const double e = exact.gradients.of(p)[i];
            largest = std::max(largest, std::abs(e));
            error = std::max(error, std::abs(e - static_cast<double>(fast.gradients.of(p)[i])));
        }
        INFO(p.name);
        CHECK(error <= 1e-5 * largest);
    }
}

TEST_CASE("two nets on one arena give the same bits, and so does a second run") {
    NetUnderTest<float> a(small_nin(), Shape{4, 1, 12, 12}, 10), b(small_nin(), Shape{4, 1, 12, 12}, 10);
    b.net.bind(a.parameters);
    CHECK(a.loss() == b.loss());
    a.net.backward(a.key, a.gradients);
    b.net.backward(b.key, b.gradients);
    CHECK(std::memcmp(a.gradients.data(), b.gradients.data(), a.gradients.extent() * sizeof(float)) == 0);
    CHECK(a.loss() == b.loss());
    a.net.backward(a.key, a.gradients);
    CHECK(std::memcmp(a.gradients.data(), b.gradients.data(), a.gradients.extent() * sizeof(float)) == 0);
}

TEST_CASE("a net for testing shares the parameters of one for training") {
    NetUnderTest<float> t(small_nin(), Shape{4, 1, 12, 12}, 10);
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    Net<float, Cpu> test(
        small_nin(), {.data = Shape{2, 1, 12, 12}, .phase = Phase::test, .retain = {"mean"}, .layout = &t.net.layout()},
        registry);
    test.bind(t.parameters);
    test.forward({});
    CHECK(test.blob("mean").shape() == Shape{2, 10, 1, 1});
    CHECK(test.blob("mean").layout().is_plain());
    CHECK(test.activation_bytes() < test.unshared_activation_bytes());
    CHECK_THROWS_AS(test.blob("pool1"), UsageError);
    CHECK_THROWS_AS(test.backward({}, t.gradients), UsageError);
    const NetSpec other = NetBuilder("other").inner_product("ip", {.num_output = 3}).build();
    CHECK_THROWS_AS((Net<float, Cpu>(other, {.data = Shape{2, 1, 12, 12}, .layout = &t.net.layout()}, registry)),
                    ConfigError);
    CHECK_THROWS_AS((Net<float, Cpu>(small_nin(), {.data = Shape{2, 3, 12, 12}, .layout = &t.net.layout()}, registry)),
                    ShapeError);
}

namespace {
template <class T>
std::pair<std::uint64_t, std::uint64_t> allocations_and_large_ones(NetUnderTest<T>& t) {
    t.loss();
    t.net.backward(t.key, t.gradients);
    const AllocationCounter counter;
    for (int i = 0; i < 3; ++i) {
        t.loss();
        t.net.backward(t.key, t.gradients);
    }
    return {counter.count(), counter.large()};
}
}  // namespace

TEST_CASE("after the first pass nothing of ours allocates") {
    // In double all bodies are ours. In float oneDNN runs, which keeps its books in small objects of its own at each
    // call of a primitive; none may be as large as even a small tensor.
    NetUnderTest<double> exact(small_nin(), Shape{4, 1, 12, 12}, 10);
    CHECK(allocations_and_large_ones(exact).first == 0);
    NetUnderTest<float> fast(small_nin(), Shape{4, 1, 12, 12}, 10);
    CHECK(allocations_and_large_ones(fast).second == 0);
}

TEST_CASE("an unbound net says so") {
    Net<float, Cpu> net(small_nin(), {.data = Shape{1, 1, 12, 12}}, LayerRegistry<float, Cpu>::with_builtin());
    CHECK_THROWS_AS(net.forward({}), UsageError);
}

TEST_CASE("a convolution that takes over a ReLU gives what the two give apart") {
    const auto scores = [](bool apart) {
        NetBuilder b("fused");
        b.convolution("conv", {.num_output = 16, .kernel_size = 3, .pad = 1, .weight_filler = msra()});
        if (apart) b.pooling("same", {.kernel_size = 1, .stride = 1});  // keeps the two from meeting
        b.relu();
        if (!apart) b.pooling("same", {.kernel_size = 1, .stride = 1});
        return b.inner_product("ip", {.num_output = 10, .weight_filler = xavier()}).softmax_with_loss().build();
    };
    NetUnderTest<float> together(scores(false), Shape{4, 3, 9, 9}, 10), apart(scores(true), Shape{4, 3, 9, 9}, 10);
    CHECK(together.loss() == Approx(apart.loss()).epsilon(1e-6));
    together.net.backward(together.key, together.gradients);
    apart.net.backward(apart.key, apart.gradients);
    for (std::size_t i = 0; i < together.net.layout().size(); ++i)
        CHECK(together.gradients.values()[i] == Approx(apart.gradients.values()[i]).margin(1e-5));
}

TEST_CASE("a retained blob between a convolution and a ReLU keeps its own values") {
    NetSpec spec = NetBuilder("kept")
                       .convolution("conv", {.num_output = 4, .kernel_size = 3, .weight_filler = msra()})
                       .relu()
                       .build();
    spec.layers[1].top = {"positive"};
    Net<float, Cpu> net(spec, {.data = Shape{2, 1, 6, 6}, .retain = {"conv", "positive"}},
                        LayerRegistry<float, Cpu>::with_builtin());
    Arena<float, Cpu> parameters(net.layout());
    net.initialize(parameters, 1);
    net.bind(parameters);
    for (std::size_t i = 0; i < net.data().storage().size(); ++i)
        net.data().storage()[i] = static_cast<float>(RandomStream(1, RandomPurpose::user).normal(i));
    net.forward({});
    bool negative = false;
    for (std::size_t i = 0; i < net.blob("conv").storage().size(); ++i) {
        const float x = net.blob("conv").storage()[i];
        negative = negative || x < 0;
        CHECK(net.blob("positive").storage()[i] == std::max(x, 0.0f));
    }
    CHECK(negative);
}
