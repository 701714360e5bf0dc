// SPDX-License-Identifier: Apache-2.0
// Eltwise: known answers, ties, bottoms in different layouts, and bottoms that do not fit.
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "support/gradient_check.hpp"
#include "support/net_check.hpp"
#include "support/one_layer.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;
using Operation = ops::EltwiseOperation;
using Values = std::vector<double>;

namespace {

/// Three bottoms of four elements, run forward, and backward from the gradients 1, 10, 100, 1000.
OneLayer<double> three(const EltwiseOptions& options) {
    const TensorSpec spec{Shape{1, 4}, {}};
    OneLayer<double> t(options, {spec, spec, spec});
    set(t.x[0], {1, 2, 0, -1});
    set(t.x[1], {3, 2, 4, -1});
    set(t.x[2], {2, 2, 5, -1});
    set(t.dy[0], {1, 10, 100, 1000});
    t.forward();
    t.backward();
    return t;
}

}  // namespace

TEST_CASE("a sum, with coefficients and without") {
    const auto plain = three({});
    CHECK(values_of(plain.y[0]) == Values{6, 6, 9, -3});
    for (const auto& dx : plain.dx) CHECK(values_of(dx) == Values{1, 10, 100, 1000});
    const auto weighted = three({.operation = Operation::sum, .coeff = {1, -0.5, 2}});
    CHECK(values_of(weighted.y[0]) == Values{3.5, 5, 8, -2.5});
    CHECK(values_of(weighted.dx[0]) == Values{1, 10, 100, 1000});
    CHECK(values_of(weighted.dx[1]) == Values{-0.5, -5, -50, -500});
    CHECK(values_of(weighted.dx[2]) == Values{2, 20, 200, 2000});
}

TEST_CASE("a product; its gradient does not divide, so zeros are harmless") {
    const auto t = three({.operation = Operation::prod});
    CHECK(values_of(t.y[0]) == Values{6, 8, 0, -1});
    CHECK(values_of(t.dx[0]) == Values{6, 40, 2000, 1000});
    CHECK(values_of(t.dx[1]) == Values{2, 40, 0, 1000});
    CHECK(values_of(t.dx[2]) == Values{3, 40, 0, 1000});
}

TEST_CASE("a maximum: one bottom gets the gradient, among equals as in Caffe") {
    const auto t = three({.operation = Operation::max});
    CHECK(values_of(t.y[0]) == Values{3, 2, 5, -1});
    CHECK(values_of(t.dx[0]) == Values{0, 0, 0, 0});
    CHECK(values_of(t.dx[1]) == Values{1, 10, 0, 1000});
    CHECK(values_of(t.dx[2]) == Values{0, 0, 100, 0});
}

TEST_CASE("the gradient of a maximum agrees with differences") {
    const TensorSpec spec{Shape{2, 3, 4}, {}};
    OneLayer<double> t(EltwiseOptions{.operation = Operation::max}, {spec, spec, spec});
    const Values apart = random_values<double>(3 * 24, 1);  // no two of them are near each other
    for (std::size_t i = 0; i < 3; ++i)
        std::copy_n(apart.begin() + 24 * static_cast<std::ptrdiff_t>(i), 24, t.x[i].data());
    set(t.dy[0], random_values<double>(24, 2));
    const auto loss = [&] {
        t.forward();
        return dot(t.y[0].storage(), t.dy[0].storage());
    };
    loss();
    t.backward();
    for (std::size_t i = 0; i < 3; ++i) CHECK(gradient_error(t.x[i].storage(), loss, t.dx[i].storage()) < 1e-6);
}

TEST_CASE("eltwise refuses bottoms and coefficients that do not fit") {
    const auto build = [](const NetBuilder& b) { NetUnderTest<float>(b.build(), Shape{2, 3, 8, 8}, 2); };
    const auto two = [] {
        NetBuilder b("n");
        b.convolution("a", {.num_output = 4, .kernel_size = 3});
        return b.from("data").convolution("b", {.num_output = 4, .kernel_size = 5});
    };
    CHECK_THROWS_WITH(build(two().eltwise("sum", {"a", "b"})),
                      Contains("layer 'sum'") && Contains("2x4x4x4") && Contains("2x4x6x6"));
    CHECK_THROWS_AS(build(two().eltwise("sum", {"a", "b"})), ShapeError);
    CHECK_THROWS_WITH(build(two().eltwise("sum", {"a"})), Contains("layer 'sum'") && Contains("at least two"));
    CHECK_THROWS_WITH(build(two().eltwise("sum", {"a", "a"}, {.coeff = {1, 2, 3}})),
                      Contains("layer 'sum'") && Contains("3 values for 2"));
    CHECK_THROWS_WITH(build(two().eltwise("m", {"a", "a"}, {.operation = Operation::max, .coeff = {1, 2}})),
                      Contains("layer 'm'") && Contains("only a sum"));
}
