// SPDX-License-Identifier: Apache-2.0
// BatchNorm: gradients against differences, and Caffe's running statistics against numbers worked out by hand.
#include "catch.hpp"

#include <cmath>
#include <cstring>

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"
#include "support/plain_layers.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;
using firecaffe::testing::plain_registry;

namespace {

/// In place of a ReLU, whose kink lies where batch norm puts the values.
const LrnOptions kSmooth{.local_size = 3, .alpha = 0.7, .beta = 0.6, .k = 1.5};

/// conv -> (batch norm and what follows) -> inner product -> loss.
NetBuilder stem() {
    NetBuilder b("check");
    b.convolution(
        "conv", {.num_output = 4, .kernel_size = 3, .pad = 1, .weight_filler = xavier(), .bias_filler = gaussian(0.1)});
    return b;
}
NetSpec finish(NetBuilder& b) {
    b.inner_product("ip", {.num_output = 5, .weight_filler = xavier(), .bias_filler = gaussian(0.1)})
        .softmax_with_loss();
    return b.build();
}
void check(NetUnderTest<double>& t) {
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);
}

/// data (N x C) -> bn -> loss; `phase` decides which statistics are used.
struct Rows {
    explicit Rows(const Shape& shape, BatchNormOptions options = {}, Phase phase = Phase::train,
                  const ArenaLayout* layout = nullptr)
        : net(spec(options), {.data = shape, .phase = phase, .retain = {"bn"}, .layout = layout},
              LayerRegistry<double, Cpu>::with_builtin()),
          parameters(net.layout()),
          measured(net.layout()) {
        net.bind(parameters);
    }
    static NetSpec spec(BatchNormOptions options) {
        return NetBuilder("rows").batch_norm("bn", options).softmax_with_loss().build();
    }
    void run(std::initializer_list<double> values) {
        std::copy(values.begin(), values.end(), net.data().data());
        net.forward({});
        net.backward({}, measured);
    }
    double& value(const char* name) { return parameters.of(*net.layout().find(name))[0]; }
    double measurement(const char* name) { return measured.of(*net.layout().find(name))[0]; }
    double y(std::size_t i) const { return net.blob("bn").data()[i]; }

    Net<double, Cpu> net;
    Arena<double, Cpu> parameters, measured;
};

}  // namespace

TEST_CASE("gradients of batch norm") {
    auto apart = stem();
    apart.batch_norm("bn").lrn("smooth", kSmooth);
    NetUnderTest<double> of_maps(finish(apart), Shape{3, 2, 7, 6}, 5);
    check(of_maps);
    auto wide_eps = stem();
    wide_eps.batch_norm("bn", {.eps = 0.5})
        .scale("scale", {.bias_term = true, .filler = gaussian(1)})
        .lrn("smooth", kSmooth);
    NetUnderTest<double> with_eps(finish(wide_eps), Shape{3, 2, 7, 6}, 5);
    check(with_eps);
    auto rows = stem();
    rows.inner_product("ip1", {.num_output = 6, .weight_filler = xavier()}).batch_norm("bn");
    NetUnderTest<double> of_rows(finish(rows), Shape{4, 2, 5, 5}, 5);
    check(of_rows);
}

TEST_CASE("gradients of batch norm with the running statistics") {
    auto b = stem();
    b.batch_norm("bn", {.use_global_stats = true}).relu();
    NetUnderTest<double> t(finish(b), Shape{3, 2, 7, 6}, 5);
    const ArenaLayout& layout = t.net.layout();
    for (std::size_t c = 0; c < 4; ++c) {
        t.parameters.of(*layout.find("bn.mean"))[c] = 0.3 * static_cast<double>(c);
        t.parameters.of(*layout.find("bn.variance"))[c] = 1.0 + static_cast<double>(c);
    }
    t.parameters.of(*layout.find("bn.count"))[0] = 2.0;
    check(t);
    for (const char* name : {"bn.mean", "bn.variance", "bn.count"}) {  // they stay as they are
        CHECK(layout.find(name)->moving_average_fraction == 1.0);
        CHECK(t.gradients.of(*layout.find(name))[0] == 0.0);
    }
}

TEST_CASE("a batch is normalised by its own mean and variance, and measured as Caffe does") {
    Rows t(Shape{4, 1}, {.moving_average_fraction = 0.5, .eps = 0.25});
    for (const ParameterInfo& p : t.net.layout().parameters()) {
        CHECK(p.is_statistic());
        CHECK(p.moving_average_fraction == 0.5);
    }
    CHECK(t.net.layout().parameter_count() == 0);
    t.run({1, 2, 3, 6});  // mean 3, variance (4 + 1 + 0 + 9) / 4
    CHECK(t.y(0) == Approx(-2 / std::sqrt(3.75)).epsilon(1e-14));
    CHECK(t.y(3) == Approx(3 / std::sqrt(3.75)).epsilon(1e-14));
    CHECK(t.measurement("bn.mean") == 3.0);
    CHECK(t.measurement("bn.variance") == Approx(14.0 / 3).epsilon(1e-14));  // times m / (m - 1)
    CHECK(t.measurement("bn.count") == 1.0);
}

TEST_CASE("testing uses the sums divided by their count") {
    Rows train(Shape{4, 1});
    Rows test(Shape{2, 1}, {.eps = 0.5}, Phase::test, &train.net.layout());
    std::copy_n(std::begin({7.0, 4.0}), 2, test.net.data().data());
    test.net.forward({});
    CHECK(test.y(0) == Approx(7 / std::sqrt(0.5)));  // nothing measured yet: mean 0, variance 0
    test.value("bn.mean") = 6.0;
    test.value("bn.variance") = 7.0;
    test.value("bn.count") = 2.0;
    std::copy_n(std::begin({7.0, 4.0}), 2, test.net.data().data());
    test.net.forward({});
    CHECK(test.y(0) == Approx((7.0 - 3.0) / 2.0));
    CHECK(test.y(1) == Approx((4.0 - 3.0) / 2.0));
}

TEST_CASE("a batch of one element has a variance of zero, not of NaN") {
    Rows t(Shape{1, 2});
    t.run({5, -3});
    CHECK(t.y(0) == 0.0);
    CHECK(t.measurement("bn.mean") == 5.0);
    CHECK(t.measurement("bn.variance") == 0.0);
}

TEST_CASE("batch norm in planned memory gives the bits that it gives apart") {
    auto b = stem();
    b.batch_norm("bn").scale("scale", {.bias_term = true, .filler = gaussian(1)}).relu();
    NetSpec spec = finish(b);
    for (const bool in_place : {false, true}) {
        if (in_place) {  // as Caffe's ResNets have it
            spec.layers[1].top = spec.layers[2].bottom = spec.layers[2].top = spec.layers[1].bottom;
            spec.layers[3].bottom = spec.layers[3].top = spec.layers[4].bottom = spec.layers[1].bottom;
        }
        NetUnderTest<float> planned(spec, Shape{3, 2, 7, 6}, 5);
        NetUnderTest<float> plain(spec, Shape{3, 2, 7, 6}, 5, 3, plain_registry<float>());
        CHECK(planned.loss() == plain.loss());
        planned.net.backward(planned.key, planned.gradients);
        plain.net.backward(plain.key, plain.gradients);
        CHECK(std::memcmp(planned.gradients.data(), plain.gradients.data(),
                          planned.gradients.extent() * sizeof(float)) == 0);
        CHECK(planned.net.activation_bytes() < plain.net.activation_bytes());
    }
}

TEST_CASE("bad settings of batch norm name the layer, the value and the cure") {
    const auto build = [](BatchNormOptions options, std::vector<ParamOptions> param = {}) {
        NetBuilder b("n");
        b.batch_norm("bn1", options).param(std::move(param));
        Net<float, Cpu>(b.build(), {.data = Shape{2, 3, 4, 4}}, LayerRegistry<float, Cpu>::with_builtin());
    };
    CHECK_THROWS_WITH(build({.moving_average_fraction = 1.0}), Contains("bn1") && Contains("moving_average_fraction"));
    CHECK_THROWS_WITH(build({.eps = -1e-5}), Contains("bn1") && Contains("eps"));
    CHECK_THROWS_WITH(build({}, {{.lr_mult = 2.0}}), Contains("bn1") && Contains("lr_mult") && Contains("write 0"));
    CHECK_NOTHROW(build({}, {{.lr_mult = 0}, {.lr_mult = 0}, {.lr_mult = 0}}));  // as Caffe's nets say it
}

TEST_CASE("statistics of a branch that leads to no loss are kept, and those of one that does are not") {
    NetBuilder b("branches");
    b.batch_norm("idle").from("data").batch_norm("bn").softmax_with_loss();
    const Net<double, Cpu> net(b.build(), {.data = Shape{4, 3}}, LayerRegistry<double, Cpu>::with_builtin());
    CHECK(net.layout().find("idle.mean")->moving_average_fraction == 1.0);
    CHECK(net.layout().find("idle.count")->moving_average_fraction == 1.0);
    CHECK(net.layout().find("bn.mean")->moving_average_fraction == 0.999);

    const std::vector<ParamOptions> shared{
        {.lr_mult = 0, .name = "m"}, {.lr_mult = 0, .name = "v"}, {.lr_mult = 0, .name = "c"}};
    NetBuilder both("shared");
    both.batch_norm("idle").param(shared).from("data").batch_norm("bn").param(shared).softmax_with_loss();
    const Net<double, Cpu> one(both.build(), {.data = Shape{4, 3}}, LayerRegistry<double, Cpu>::with_builtin());
    CHECK(one.layout().find("m")->moving_average_fraction == 0.999);
}
