// SPDX-License-Identifier: Apache-2.0
// Sigmoid, TanH, ELU, PReLU and Power: numbers worked out by hand, what differs in place, and bad settings.
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"
#include "support/one_layer.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

using Values = std::vector<double>;
const double kInfinity = std::numeric_limits<double>::infinity();

/// The layer's outputs for x, and its gradients for gradients of `dy` from above. One channel per element.
struct Answer {
    Values y, dx;
};
Answer answer_of(const LayerOptions& options, const Values& x, double dy, const Values& slopes = {}) {
    OneLayer<double> t(options, {{Shape{1, static_cast<std::int64_t>(x.size())}, {}}});
    set(t.x[0], x);
    if (!slopes.empty()) set(t.parameters[0], slopes);
    t.forward();
    std::fill(t.dy[0].storage().begin(), t.dy[0].storage().end(), dy);
    t.backward();
    return {values_of(t.y[0]), values_of(t.dx[0])};
}

void check_close(const Values& found, const Values& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        INFO("element " << i);
        if (std::isinf(expected[i]))
            CHECK(found[i] == expected[i]);
        else
            CHECK(found[i] == Approx(expected[i]).epsilon(1e-12).margin(1e-300));
    }
}

}  // namespace

TEST_CASE("sigmoid: known answers, also where exp would overflow") {
    const Answer a = answer_of(SigmoidOptions{}, {0, std::log(3.0), -std::log(3.0), 1000, -1000}, 2);
    check_close(a.y, {0.5, 0.75, 0.25, 1, 0});
    check_close(a.dx, {0.5, 2 * 0.1875, 2 * 0.1875, 0, 0});
}

TEST_CASE("tanh: known answers") {
    const Answer a = answer_of(TanhOptions{}, {0, std::log(2.0), -std::log(2.0), 1000}, 2);
    check_close(a.y, {0, 0.6, -0.6, 1});
    check_close(a.dx, {2, 2 * 0.64, 2 * 0.64, 0});
}

TEST_CASE("ELU: known answers; at zero the derivative is alpha") {
    const Answer a = answer_of(EluOptions{.alpha = 0.5}, {3, 0, -std::log(4.0), -1000, -1e-12}, 2);
    check_close(a.y, {3, 0, -0.375, -0.5, -0.5e-12});
    check_close(a.dx, {2, 1, 0.25, 0, 1 - 1e-12});
}

TEST_CASE("PReLU: known answers for slopes of either sign and zero") {
    const Answer a = answer_of(PreluOptions{}, {3, 0, -4, -4, -4}, 2, {0.5, 0.5, 0.5, 0, -0.25});
    check_close(a.y, {3, 0, -2, 0, 1});
    check_close(a.dx, {2, 1, 1, 0, -0.5});
}

TEST_CASE("PReLU: the gradient of a slope is a sum over samples and positions, or over all of them") {
    for (const bool shared : {false, true}) {
        OneLayer<double> t(PreluOptions{.channel_shared = shared}, {{Shape{2, 2, 1, 3}, {}}});
        CHECK(t.plan.parameters[0].name == "slope");
        CHECK(t.plan.parameters[0].shape == Shape{shared ? 1 : 2});
        CHECK(t.plan.parameters[0].filler.value == 0.25);
        set(t.x[0], {1, -2, -3, /**/ -1, 0, 5, /**/ -4, 2, -1, /**/ -2, -2, 7});
        set(t.dy[0], {9, 1, 2, /**/ 3, 9, 9, /**/ 0.5, 9, 1, /**/ 1, 2, 9});
        t.forward();
        t.backward();
        const double first = -2 * 1 - 3 * 2 - 4 * 0.5 - 1 * 1, second = -1 * 3 - 2 * 1 - 2 * 2;
        check_close(values_of(t.parameter_diffs[0]), shared ? Values{first + second} : Values{first, second});
    }
}

TEST_CASE("power: known answers") {
    const Answer identity = answer_of(PowerOptions{}, {0, -3, 7}, 2);
    check_close(identity.y, {0, -3, 7});
    check_close(identity.dx, {2, 2, 2});
    const Answer line = answer_of(PowerOptions{.scale = -2, .shift = 1}, {0, -3, 7}, 2);
    check_close(line.y, {1, 7, -13});
    check_close(line.dx, {-4, -4, -4});
    const Answer square = answer_of(PowerOptions{.power = 2, .scale = 2, .shift = 1}, {0, -3, 0.5}, 1);
    check_close(square.y, {1, 25, 4});
    check_close(square.dx, {4, -20, 8});
    const Answer root = answer_of(PowerOptions{.power = 0.5, .shift = 1}, {0, 3, 8, -1}, 1);
    check_close(root.y, {1, 2, 3, 0});
    check_close(root.dx, {0.5, 0.25, 1.0 / 6, kInfinity});
    // Caffe divides y by x here, and makes NaN of 0 / 0.
    check_close(answer_of(PowerOptions{.power = 3}, {0, -2}, 1).dx, {0, 12});
    for (const auto& constant : {PowerOptions{.power = 0, .shift = 5}, PowerOptions{.power = 3, .scale = 0}}) {
        const Answer a = answer_of(constant, {0, -3, kInfinity}, 1);
        CHECK(a.y[0] == (constant.power == 0 ? 1 : 0));
        CHECK(a.dx == Values{0, 0, 0});
    }
}

TEST_CASE("activations do not hide a NaN") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const LayerOptions& options : {LayerOptions(SigmoidOptions{}), LayerOptions(TanhOptions{}),
                                        LayerOptions(EluOptions{}), LayerOptions(PowerOptions{.power = 2})})
        CHECK(std::isnan(answer_of(options, {nan}, 1).y[0]));
    CHECK(std::isnan(answer_of(PreluOptions{}, {nan}, 1, {0.25}).y[0]));
}

TEST_CASE("which activations share their bottom's memory") {
    const auto bytes = [](NetBuilder b) {
        b.inner_product("ip", {.num_output = 5, .weight_filler = xavier()}).softmax_with_loss();
        return NetUnderTest<double>(b.build(), Shape{2, 8, 16, 16}, 5).net.unshared_activation_bytes();
    };
    const auto stem = [] { return NetBuilder("n").convolution("conv", {.num_output = 8, .kernel_size = 1}); };
    const std::size_t plain = bytes(stem()), blob = 2 * 8 * 16 * 16 * sizeof(double);
    CHECK(bytes(stem().sigmoid()) == plain);
    CHECK(bytes(stem().tanh()) == plain);
    CHECK(bytes(stem().elu()) == plain);
    CHECK(bytes(stem().power({.scale = 2, .shift = 1})) == plain);
    CHECK(bytes(stem().power({.power = 2})) == plain + 2 * blob);
    CHECK(bytes(stem().prelu()) == plain + 2 * blob);
}

TEST_CASE("bad settings of activations name the layer, the values and the cure") {
    const auto build = [](const NetBuilder& b, Shape data = Shape{2, 3, 8, 8}) {
        NetUnderTest<float>(b.build(), data, 2);
    };
    CHECK_THROWS_WITH(build(NetBuilder("n").elu({.alpha = -0.5})),
                      Contains("elu_data") && Contains("alpha is -0.5") && Contains("zero or more"));
    CHECK_THROWS_WITH(build(NetBuilder("n").prelu(), Shape{4}), Contains("prelu_data") && Contains("4"));
}
