// SPDX-License-Identifier: Apache-2.0
// Rules of layers that a gradient check cannot see: known answers, and bad settings.
#include "catch.hpp"

#include <cfloat>
#include <cmath>

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::NetUnderTest;
using Catch::Matchers::Contains;

TEST_CASE("softmax loss: known value, ignored labels and normalisers") {
    const auto loss_of = [](SoftmaxWithLossOptions options) {
        NetUnderTest<double> t(NetBuilder("loss").softmax_with_loss("loss", options).build(), Shape{2, 3, 1, 1}, 3);
        const double scores[] = {1.0, 2.0, 3.0, 0.0, 0.0, 0.0};
        std::copy(std::begin(scores), std::end(scores), t.net.data().data());
        t.net.labels().data()[0] = 2;
        t.net.labels().data()[1] = 1;
        return t.loss();
    };
    const double first = -std::log(std::exp(3.0) / (std::exp(1.0) + std::exp(2.0) + std::exp(3.0)));
    const double second = std::log(3.0);
    CHECK(loss_of({}) == Approx((first + second) / 2).epsilon(1e-12));
    CHECK(loss_of({.loss_weight = 0.3}) == Approx(0.3 * (first + second) / 2).epsilon(1e-12));
    CHECK(loss_of({.ignore_label = 1}) == Approx(first).epsilon(1e-12));
    CHECK(loss_of({.normalization = LossNormalization::full, .ignore_label = 1}) == Approx(first / 2).epsilon(1e-12));
    CHECK(loss_of({.normalization = LossNormalization::none}) == Approx(first + second).epsilon(1e-12));
}

TEST_CASE("softmax loss: a probability of zero costs -log(FLT_MIN)") {
    NetUnderTest<double> t(NetBuilder("loss").softmax_with_loss("loss").build(), Shape{1, 2, 1, 1}, 2);
    t.net.data().data()[0] = 0.0;
    t.net.data().data()[1] = 1000.0;
    t.net.labels().data()[0] = 0;
    CHECK(t.loss() == Approx(-std::log(static_cast<double>(FLT_MIN))).epsilon(1e-12));  // without the bound: 1000
}

TEST_CASE("accuracy counts the k largest, and the lower class wins a tie") {
    const auto accuracy_of = [](std::int64_t k) {
        Net<double, Cpu> net(NetBuilder("a").accuracy("accuracy", {.top_k = k}).build(),
                             {.data = Shape{4, 3, 1, 1}, .phase = Phase::test, .retain = {"accuracy"}},
                             LayerRegistry<double, Cpu>::with_builtin());
        Arena<double, Cpu> none(net.layout());
        net.bind(none);
        const double scores[] = {3, 2, 1, /**/ 3, 2, 1, /**/ 5, 5, 5, /**/ 5, 5, 5};
        std::copy(std::begin(scores), std::end(scores), net.data().data());
        const double labels[] = {0, 1, 0, 2};
        std::copy(std::begin(labels), std::end(labels), net.labels().data());
        net.forward({});
        return *net.blob("accuracy").data();
    };
    CHECK(accuracy_of(1) == 0.5);   // samples 0 and 2
    CHECK(accuracy_of(2) == 0.75);  // and 1
    CHECK(accuracy_of(3) == 1.0);
}

TEST_CASE("global pooling takes the whole map, by either method") {
    for (const auto method : {ops::PoolMethod::max, ops::PoolMethod::average}) {
        Net<double, Cpu> net(NetBuilder("p").pooling("pool", {.pool = method, .global_pooling = true}).build(),
                             {.data = Shape{2, 2, 2, 3}, .phase = Phase::test, .retain = {"pool"}},
                             LayerRegistry<double, Cpu>::with_builtin());
        Arena<double, Cpu> none(net.layout());
        net.bind(none);
        for (std::size_t i = 0; i < 24; ++i) net.data().data()[i] = static_cast<double>(i);
        net.forward({});
        const auto pooled = net.blob("pool");
        REQUIRE(pooled.shape() == Shape{2, 2, 1, 1});
        for (std::size_t map = 0; map < 4; ++map)
            CHECK(pooled.data()[map] ==
                  static_cast<double>(map) * 6 + (method == ops::PoolMethod::max ? 5.0 : 2.5));
    }
}

TEST_CASE("global pooling refuses a kernel, a stride and a pad of its own") {
    const auto build = [](PoolingOptions o) {
        o.global_pooling = true;
        NetUnderTest<float>(NetBuilder("n").pooling("pool1", o).build(), Shape{2, 3, 8, 8}, 2);
    };
    for (const PoolingOptions& o :
         {PoolingOptions{.kernel_size = 2}, PoolingOptions{.kernel_w = 2}, PoolingOptions{.stride = 2},
          PoolingOptions{.stride_h = 2}, PoolingOptions{.pad = 1}, PoolingOptions{.pad_w = 1}})
        CHECK_THROWS_WITH(build(o), Contains("layer 'pool1'") && Contains("global_pooling"));
    NetBuilder rows("n");
    rows.inner_product("ip", {.num_output = 2}).pooling("pool1", {.global_pooling = true});
    CHECK_THROWS_WITH((NetUnderTest<float>(rows.build(), Shape{2, 3, 8, 8}, 2)), Contains("2x2"));
}

TEST_CASE("dropout is the identity in testing") {
    const NetSpec spec = NetBuilder("d").dropout().build();
    Net<double, Cpu> net(spec, {.data = Shape{1, 2, 2, 2}, .phase = Phase::test, .retain = {"data"}},
                         LayerRegistry<double, Cpu>::with_builtin());
    Arena<double, Cpu> none(net.layout());
    net.bind(none);
    for (std::size_t i = 0; i < 8; ++i) net.data().data()[i] = static_cast<double>(i) - 3.5;
    net.forward({});
    for (std::size_t i = 0; i < 8; ++i) CHECK(net.blob("data").data()[i] == static_cast<double>(i) - 3.5);
}

TEST_CASE("bad settings name the layer, the values and the cure") {
    const auto build = [](const NetBuilder& b) { NetUnderTest<float>(b.build(), Shape{2, 3, 8, 8}, 2); };
    const auto conv = [](ConvolutionOptions o) { return NetBuilder("n").convolution("conv1", o); };
    CHECK_THROWS_WITH(build(conv({.num_output = 4, .kernel_size = 3, .group = 2})),
                      Contains("conv1") && Contains("2") && Contains("3"));
    CHECK_THROWS_WITH(build(conv({.num_output = 4})), Contains("conv1") && Contains("kernel_size"));
    CHECK_THROWS_WITH(build(conv({.kernel_size = 3})), Contains("conv1") && Contains("num_output"));
    CHECK_THROWS_AS(build(conv({.num_output = 4, .kernel_size = 11})), ShapeError);
    CHECK_THROWS_WITH(build(NetBuilder("n").pooling("pool1", {.kernel_size = 2, .pad = 2})), Contains("pool1"));
    CHECK_THROWS_WITH(build(NetBuilder("n").pooling("pool1", {.kernel_size = 2, .global_pooling = true})),
                      Contains("global_pooling"));
    CHECK_THROWS_WITH(build(NetBuilder("n").lrn("norm1", {.local_size = 4})), Contains("norm1") && Contains("odd"));
    CHECK_THROWS_WITH(build(NetBuilder("n").lrn("norm1", {.k = 2, .norm_region = ops::NormRegion::within_channel})),
                      Contains("norm1") && Contains("k is 2"));
    CHECK_THROWS_WITH(build(NetBuilder("n").inner_product("ip", {.num_output = 2}).lrn(
                          "norm1", {.norm_region = ops::NormRegion::within_channel})),
                      Contains("norm1") && Contains("2x2") && Contains("N, C, H, W"));
    CHECK_THROWS_WITH(build(NetBuilder("n").dropout({.dropout_ratio = 1.0})), Contains("dropout_ratio"));
    CHECK_THROWS_WITH(build(NetBuilder("n").relu({.negative_slope = -0.1})), Contains("negative_slope"));
    CHECK_THROWS_WITH(build(NetBuilder("n").custom("s", "Swish")), Contains("Swish") && Contains("Convolution"));
    CHECK_THROWS_WITH(build(NetBuilder("n").inner_product("ip", {.num_output = 2}).accuracy("acc", {.top_k = 3})),
                      Contains("acc") && Contains("top_k"));
}

TEST_CASE("a label that is no class is an error of the data, with the layer's name") {
    NetUnderTest<float> t(NetBuilder("n").inner_product("ip", {.num_output = 2}).softmax_with_loss().build(),
                          Shape{2, 3, 4, 4}, 2);
    t.net.labels().data()[1] = 2;
    CHECK_THROWS_AS(t.loss(), DataError);
    CHECK_THROWS_WITH(t.loss(), Contains("layer 'loss'") && Contains("label 2") && Contains("[0, 2)"));
}
