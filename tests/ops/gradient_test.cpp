// SPDX-License-Identifier: Apache-2.0
// Every backward pass in double against central differences of its forward pass.
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/ops.hpp"
#include "support/gradient_check.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {
constexpr double kLimit = Tolerance<double>::kGradient;
using Doubles = Tensor<double, Cpu>;

/// NaN everywhere, so that a backward pass that adds or forgets elements shows.
Doubles poisoned(const TensorSpec& spec) {
    Doubles tensor(spec);
    std::fill(tensor.storage().begin(), tensor.storage().end(), std::numeric_limits<double>::quiet_NaN());
    return tensor;
}

/// Checks dx, dweight and dbias of a Convolution or InnerProduct, whose interfaces agree.
template <class Op>
void check_with_parameters(Op& op, const Shape& input, std::int64_t weights, std::int64_t biases) {
    Doubles x = random_tensor<double>(input, 1), dx = poisoned(x.spec());
    Doubles y = poisoned(op.output()), dy = random_tensor<double>(op.output().shape, 2);
    std::vector<double> weight = random_values<double>(weights, 3), bias = random_values<double>(biases, 4);
    std::vector<double> dweight(weight.size(), 1e9), dbias(bias.size(), 1e9);
    double* const dbias_or_null = biases == 0 ? nullptr : dbias.data();
    const auto loss = [&] {
        op.set_parameters(weight.data(), biases == 0 ? nullptr : bias.data());
        op.forward(x.view(), y.view());
        return dot(y.storage(), dy.storage());
    };
    loss();
    op.backward_data(dy.view(), dx.view());
    op.backward_parameters(x.view(), dy.view(), dweight.data(), dbias_or_null);
    CHECK(gradient_error(x.storage(), loss, dx.storage()) < kLimit);
    CHECK(gradient_error(std::span(weight), loss, std::span(dweight)) < kLimit);
    CHECK(gradient_error(std::span(bias), loss, std::span(dbias)) < kLimit);
}
}  // namespace

TEST_CASE("the gradient check finds wrong gradients") {
    std::vector<double> x{0.3, -0.7, 1.1};
    const auto loss = [&] { return x[0] * x[0] + 3 * x[1] * x[2]; };
    std::vector<double> right{0.6, 3.3, -2.1};
    CHECK(gradient_error(std::span(x), loss, std::span(right)) < kLimit);
    CHECK(x == std::vector<double>{0.3, -0.7, 1.1});
    std::vector<double> wrong = right;
    wrong[2] *= 1.001;
    CHECK(gradient_error(std::span(x), loss, std::span(wrong)) > 1e-4);
    wrong[2] = std::numeric_limits<double>::quiet_NaN();
    CHECK(gradient_error(std::span(x), loss, std::span(wrong)) > 1);
}

TEST_CASE("convolution: gradients") {
    struct Case {
        const char* name;
        Shape input;
        ConvolutionGeometry geometry;
    };
    const auto conv = [](std::int64_t outputs, std::int64_t kh, std::int64_t kw) {
        ConvolutionGeometry g;
        g.num_output = outputs, g.kernel_h = kh, g.kernel_w = kw;
        return g;
    };
    std::vector<Case> cases{{"3x3", {2, 3, 6, 5}, conv(4, 3, 3)},
                            {"1x1, no bias", {2, 3, 3, 4}, conv(2, 1, 1)},
                            {"groups, stride, pad", {2, 4, 7, 6}, conv(6, 3, 3)},
                            {"depthwise, kernel 3x2, stride 3x1", {1, 3, 8, 5}, conv(3, 3, 2)},
                            {"dilation with pad", {1, 2, 9, 7}, conv(3, 3, 2)},
                            {"kernel as large as the padded input", {2, 2, 3, 5}, conv(3, 5, 7)},
                            {"stride beyond kernel", {1, 2, 7, 9}, conv(2, 2, 1)},
                            {"pad so large that taps see zeros only", {1, 1, 2, 2}, conv(1, 2, 2)},
                            {"one pixel", {1, 1, 1, 1}, conv(1, 1, 1)},
                            {"empty batch", {0, 2, 4, 4}, conv(2, 3, 3)}};
    cases[1].geometry.bias = false;
    auto& grouped = cases[2].geometry;
    grouped.group = 2, grouped.stride_h = grouped.stride_w = 2, grouped.pad_h = grouped.pad_w = 1;
    auto& depthwise = cases[3].geometry;
    depthwise.group = 3, depthwise.stride_h = 3;
    auto& dilated = cases[4].geometry;
    dilated.dilation_h = 2, dilated.dilation_w = 3, dilated.pad_h = 2, dilated.pad_w = 1;
    cases[5].geometry.pad_h = cases[5].geometry.pad_w = 1;
    cases[6].geometry.stride_h = 3, cases[6].geometry.stride_w = 4;
    cases[7].geometry.pad_h = cases[7].geometry.pad_w = 3;

    for (const Case& c : cases) {
        INFO(c.name);
        const auto op = make_convolution<double, Cpu>(c.geometry, {c.input, {}});
        const ConvolutionGeometry& g = c.geometry;
        check_with_parameters(*op, c.input, g.num_output * c.input[1] / g.group * g.kernel_h * g.kernel_w,
                              g.bias ? g.num_output : 0);
    }
}

TEST_CASE("inner product: gradients") {
    for (const bool bias : {true, false})
        for (const Shape& input : {Shape{3, 2, 3, 5}, Shape{4, 7}, Shape{1, 1, 1, 1}, Shape{0, 5}}) {
            INFO(to_string(input) << " bias " << bias);
            const auto op = make_inner_product<double, Cpu>(4, bias, {input, {}});
            CHECK(op->output() == TensorSpec{{input[0], 4}, {}});
            check_with_parameters(*op, input, 4 * input.count_from(1), bias ? 4 : 0);
        }
}

TEST_CASE("pooling: gradients") {
    struct Case {
        const char* name;
        std::int64_t h, w, kernel, stride, pad;
        RoundMode mode;
    };
    const Case cases[] = {{"3/2 overrun on even maps", 8, 6, 3, 2, 0, RoundMode::ceil},
                          {"3/2 floor", 8, 6, 3, 2, 0, RoundMode::floor},
                          {"3/2 pad 1", 7, 8, 3, 2, 1, RoundMode::ceil},
                          {"3/1 pad 1", 5, 4, 3, 1, 1, RoundMode::ceil},
                          {"2/2", 5, 7, 2, 2, 0, RoundMode::ceil},
                          {"5/3 pad 2", 11, 9, 5, 3, 2, RoundMode::ceil},
                          {"global", 4, 4, 4, 1, 0, RoundMode::ceil},
                          {"one pixel", 1, 1, 1, 1, 0, RoundMode::ceil}};
    for (const PoolMethod method : {PoolMethod::max, PoolMethod::average})
        for (const Case& c : cases) {
            INFO((method == PoolMethod::max ? "max " : "average ") << c.name);
            const PoolingGeometry g{method, c.kernel, c.kernel, c.stride, c.stride, c.pad, c.pad, c.mode};
            const Shape input{2, 3, c.h, c.w};
            const auto op = make_pooling<double, Cpu>(g, {input, {}});
            Doubles x = plain_tensor<double>(input, distinct_values<double>(input.count(), 5)), dx = poisoned(x.spec());
            Doubles y = poisoned(op->output()), dy = random_tensor<double>(op->output().shape, 6);
            const auto loss = [&] {
                op->forward(x.view(), y.view());
                return dot(y.storage(), dy.storage());
            };
            loss();
            op->backward(dy.view(), dx.view());
            CHECK(gradient_error(x.storage(), loss, dx.storage()) < kLimit);
        }
}

TEST_CASE("lrn: gradients") {
    for (const std::int64_t size : {1, 3, 5, 9})
        for (const Shape& input : {Shape{2, 6, 2, 3}, Shape{1, 2, 3, 1}, Shape{3, 7}, Shape{1, 1, 2, 2},
                                   Shape{1, 2, 6, 7}}) {
            const bool within = input[2] > 2;
            const LrnParameters parameters{size, size == 5 ? 1e-4 : 2.0, size == 3 ? 0.5 : 0.75, size == 9 ? 2.0 : 1.0,
                                           within ? NormRegion::within_channel : NormRegion::across_channels};
            INFO("size " << size << " on " << to_string(input) << (within ? ", within a channel" : ""));
            const auto op = make_lrn<double, Cpu>(parameters, {input, {}});
            Doubles x = random_tensor<double>(input, 7), y = poisoned(x.spec()), dx = poisoned(x.spec());
            Doubles dy = random_tensor<double>(input, 8);
            const auto loss = [&] {
                op->forward(x.view(), y.view());
                return dot(y.storage(), dy.storage());
            };
            loss();
            op->backward(x.view(), y.view(), dy.view(), dx.view());
            CHECK(gradient_error(x.storage(), loss, dx.storage()) < kLimit);
        }
}

TEST_CASE("concat: gradients, and slices that nobody wants") {
    for (std::size_t count = 1; count <= 4; ++count) {
        INFO(count << " inputs");
        std::vector<TensorSpec> specs;
        std::vector<Doubles> x, dx;
        for (std::size_t i = 0; i < count; ++i) {
            specs.push_back({{2, static_cast<std::int64_t>(2 * i + 1), 2, 3}, {}});
            x.push_back(random_tensor<double>(specs[i].shape, 10 + i));
            dx.push_back(poisoned(specs[i]));
        }
        const auto op = make_concat<double, Cpu>(specs);
        Doubles y = poisoned(op->output()), dy = random_tensor<double>(op->output().shape, 9);
        std::vector<TensorView<const double, Cpu>> x_views;
        std::vector<TensorView<double, Cpu>> dx_views;
        for (Doubles& tensor : x) x_views.push_back(tensor.view());
        for (Doubles& tensor : dx) dx_views.push_back(tensor.view());
        const auto loss = [&] {
            op->forward(x_views, y.view());
            return dot(y.storage(), dy.storage());
        };
        op->backward(dy.view(), dx_views);
        for (std::size_t i = 0; i < count; ++i) CHECK(gradient_error(x[i].storage(), loss, dx[i].storage()) < kLimit);

        const Doubles before = random_tensor<double>(specs.back().shape, 99);
        std::copy_n(before.data(), before.storage().size(), dx.back().data());
        dx_views.back() = TensorView<double, Cpu>(nullptr, specs.back());
        op->backward(dy.view(), dx_views);
        CHECK(std::equal(before.storage().begin(), before.storage().end(), dx.back().data()));
    }
}

TEST_CASE("relu and dropout: gradients") {
    Doubles x = plain_tensor<double>({2, 5, 3, 3}, distinct_values<double>(90, 11)), y(x.spec()),
            dx = poisoned(x.spec());
    const Doubles dy = random_tensor<double>(x.shape(), 12);
    for (const double slope : {0.0, 0.1}) {
        const auto loss = [&] {
            relu_forward<double, Cpu>(std::as_const(x).storage(), y.storage(), slope);
            return dot(y.storage(), dy.storage());
        };
        loss();
        relu_backward<double, Cpu>(std::as_const(y).storage(), dy.storage(), dx.storage(), slope);
        CHECK(gradient_error(x.storage(), loss, dx.storage()) < kLimit);
    }
    const std::uint64_t samples[] = {17, 4};
    const DropoutKey key{1, 2, 3, samples};
    const auto loss = [&] {
        dropout<double, Cpu>(x.view(), y.view(), key, 0.4f);
        return dot(y.storage(), dy.storage());
    };
    dropout<double, Cpu>(dy.view(), dx.view(), key, 0.4f);
    CHECK(gradient_error(x.storage(), loss, dx.storage()) < kLimit);
}
