// SPDX-License-Identifier: Apache-2.0
// Scale and Bias: gradients against differences, which axes have values of their own, and bad settings.
#include "catch.hpp"

#include "firecaffe/layers/builtin/scale.hpp"
#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

const Shape kData{3, 2, 5, 4};

NetBuilder stem() {
    NetBuilder b("check");
    b.convolution(
        "conv", {.num_output = 4, .kernel_size = 3, .pad = 1, .weight_filler = xavier(), .bias_filler = gaussian(0.1)});
    return b;
}
/// Layer "s" reads `second` as well, if it is given.
void check(NetBuilder& b, Shape expected = {}, const std::string& second = {}) {
    b.inner_product("ip", {.num_output = 5, .weight_filler = xavier(), .bias_filler = gaussian(0.1)})
        .softmax_with_loss();
    NetSpec spec = b.build();
    for (LayerSpec& layer : spec.layers)
        if (layer.name == "s" && !second.empty()) layer.bottom.push_back(second);
    NetUnderTest<double> t(spec, kData, 5);
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);
    if (expected.rank() > 0) CHECK(t.net.layout().find("s.weight")->shape == expected);
}

}  // namespace

TEST_CASE("gradients of scale over each kind of axes") {
    const auto scaled = [](std::int64_t axis, std::int64_t num_axes, bool bias, Shape expected) {
        INFO("axis " << axis << ", num_axes " << num_axes);
        auto b = stem();
        b.scale(
            "s",
            {.axis = axis, .num_axes = num_axes, .bias_term = bias, .filler = gaussian(1), .bias_filler = gaussian(1)});
        check(b, expected);
    };
    scaled(1, 1, false, {4});
    scaled(1, 1, true, {4});
    scaled(1, 2, true, {4, 5});
    scaled(1, -1, true, {4, 5, 4});
    scaled(0, 1, true, {3});
    scaled(-1, 1, true, {4});
    scaled(0, -1, false, {3, 4, 5, 4});
    scaled(2, 0, true, {1});
}

TEST_CASE("gradients of bias") {
    for (const std::int64_t num_axes : {1, 3, 0}) {
        auto b = stem();
        b.bias("s", {.num_axes = num_axes, .filler = gaussian(1)});
        check(b);
    }
}

TEST_CASE("gradients of a scale and a bias that another layer computes") {
    for (const bool is_scale : {true, false}) {
        auto gated = stem();
        gated.inner_product("gate", {.num_output = 4, .weight_filler = xavier()}).from("conv");
        is_scale ? gated.scale("s", {.axis = 0}) : gated.bias("s", {.axis = 0});
        check(gated, {}, "gate");
    }
    auto b = stem();
    b.pooling("same", {.kernel_size = 3, .stride = 1, .pad = 1}).from("conv").scale("s", {.axis = 0});
    check(b, {}, "same");
}

TEST_CASE("a scale begins with ones, a bias with zeros") {
    auto b = stem();
    b.scale("s", {.bias_term = true}).bias("b");
    const NetUnderTest<float> t(b.build(), kData, 5);
    for (const float w : t.parameters.of(*t.net.layout().find("s.weight"))) CHECK(w == 1.0f);
    for (const float w : t.parameters.of(*t.net.layout().find("s.bias"))) CHECK(w == 0.0f);
    for (const float w : t.parameters.of(*t.net.layout().find("b.bias"))) CHECK(w == 0.0f);
}

TEST_CASE("the axes between outer and inner ones") {
    const auto check_axes = [](const ScaledAxes& a, Shape values, Shape bottom) {
        CHECK(a.values == values);
        CHECK(a.bottom.shape == bottom);
    };
    const Shape shape{2, 3, 5, 7};
    check_axes(scaled_axes(shape, 1, std::int64_t{1}), {3}, {2, 3, 35});
    check_axes(scaled_axes(shape, 2, std::int64_t{2}), {5, 7}, {6, 35, 1});
    check_axes(scaled_axes(shape, -3, std::int64_t{-1}), {3, 5, 7}, {2, 105, 1});
    check_axes(scaled_axes(shape, 0, std::int64_t{0}), {1}, {1, 1, 210});
    check_axes(scaled_axes(shape, 0, Shape{2, 3}), {2, 3}, {1, 6, 35});
    CHECK_THROWS_WITH(scaled_axes(shape, 4, std::int64_t{1}), Contains("axis is 4") && Contains("2x3x5x7"));
    CHECK_THROWS_WITH(scaled_axes(shape, 2, std::int64_t{3}), Contains("num_axes is 3") && Contains("2x3x5x7"));
    CHECK_THROWS_WITH(scaled_axes(shape, 1, Shape{5}), Contains("2x3x5x7") && Contains("is 5"));
}
