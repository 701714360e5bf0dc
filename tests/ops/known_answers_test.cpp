// SPDX-License-Identifier: Apache-2.0
// Answers written out by hand, most of them the places where Caffe differs from other frameworks.
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/convolution.hpp"
#include "firecaffe/ops/reference/lrn.hpp"
#include "support/tolerance.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {
using Doubles = Tensor<double, Cpu>;

Doubles tensor(const Shape& shape, const std::vector<double>& values) {
    return plain_tensor<double>(shape, values);
}

std::vector<double> values_of(const Doubles& t) {
    return {t.storage().begin(), t.storage().end()};
}

/// Forward of one image 1x1xHxW, whose elements are 1, 2, 3, ... in row order.
std::vector<double> pool_counting(const PoolingGeometry& g, std::int64_t h, std::int64_t w) {
    Doubles x(Shape{1, 1, h, w});
    for (std::int64_t i = 0; i < h * w; ++i) x.data()[i] = static_cast<double>(i + 1);
    const auto op = make_pooling<double, Cpu>(g, x.spec());
    Doubles y(op->output());
    op->forward(x.view(), y.view());
    return values_of(y);
}

PoolingGeometry square(PoolMethod method, std::int64_t kernel, std::int64_t stride, std::int64_t pad = 0) {
    return {method, kernel, kernel, stride, stride, pad, pad, RoundMode::ceil};
}
}  // namespace

TEST_CASE("output extents follow Caffe") {
    // Pooling rounds up: 3/2 on 32 is 16 in Caffe (15 elsewhere), on 55 it is 27 either way.
    CHECK(pooled_extent(32, 3, 2, 0) == 16);
    CHECK(pooled_extent(32, 3, 2, 0, RoundMode::floor) == 15);
    CHECK(pooled_extent(55, 3, 2, 0) == 27);
    CHECK(pooled_extent(112, 3, 2, 0) == 56);
    CHECK(pooled_extent(14, 5, 3, 0) == 4);  // GoogLeNet's heads
    CHECK(pooled_extent(28, 3, 1, 1) == 28);
    // With padding, a window that would start at or beyond the image's end is dropped: 2/2 pad 1 on 3 gives starts
    // -1, 1 and 3; the last is dropped.
    CHECK(pooled_extent(3, 2, 2, 1) == 2);
    CHECK(pooled_extent(4, 2, 2, 1) == 3);  // starts -1, 1, 3: the last one covers row 3
    // A kernel larger than the image has one window, as long as ceil of the negative reach over the stride is zero.
    CHECK(pooled_extent(2, 3, 2, 0) == 1);
    CHECK(pooled_extent(2, 5, 3, 1) == 1);
    CHECK(pooled_extent(1, 3, 2, 0) == 0);
    CHECK(pooled_extent(2, 3, 1, 0) == 0);
    CHECK(pooled_extent(2, 3, 2, 0, RoundMode::floor) == 0);
    // Convolution rounds down.
    CHECK(convolved_extent(227, 11, 4, 0) == 55);
    CHECK(convolved_extent(224, 11, 4, 0) == 54);
    CHECK(convolved_extent(224, 7, 2, 3) == 112);
    CHECK(convolved_extent(9, 3, 1, 0, 2) == 5);
    CHECK(convolved_extent(4, 3, 1, 0, 2) == 0);
}

TEST_CASE("max pooling: known answers") {
    // 4x4, 3/2: the second windows of each axis overrun the image and see what is there.
    CHECK(pool_counting(square(PoolMethod::max, 3, 2), 4, 4) == std::vector<double>{11, 12, 15, 16});
    CHECK(pool_counting(square(PoolMethod::max, 2, 2, 1), 3, 3) == std::vector<double>{1, 3, 7, 9});
    CHECK(pool_counting(square(PoolMethod::max, 3, 1, 1), 2, 2) == std::vector<double>{4, 4, 4, 4});
    CHECK(pool_counting(square(PoolMethod::max, 3, 2), 2, 2) == std::vector<double>{4});
}

TEST_CASE("max pooling ignores padding even when all elements are negative") {
    Doubles x = tensor({1, 1, 2, 2}, {-4, -3, -2, -1});
    const auto op = make_pooling<double, Cpu>(square(PoolMethod::max, 2, 1, 1), x.spec());
    Doubles y(op->output());
    op->forward(x.view(), y.view());
    CHECK(values_of(y) == std::vector<double>{-4, -3, -3, -2, -1, -1, -2, -1, -1});
}

TEST_CASE("max pooling: the first maximum of a window gets the gradient, and overlaps add up") {
    Doubles x = tensor({1, 1, 2, 3}, {5, 5, 1, 5, 5, 1});
    const auto op = make_pooling<double, Cpu>(square(PoolMethod::max, 2, 1), x.spec());
    Doubles y(op->output()), dx(x.spec());
    op->forward(x.view(), y.view());
    const Doubles dy = tensor({1, 1, 1, 2}, {10, 100});
    op->backward(dy.view(), dx.view());
    CHECK(values_of(dx) == std::vector<double>{10, 100, 0, 0, 0, 0});
    x = tensor({1, 1, 2, 3}, {0, 9, 0, 0, 0, 0});
    op->forward(x.view(), y.view());
    op->backward(dy.view(), dx.view());
    CHECK(values_of(dx) == std::vector<double>{0, 110, 0, 0, 0, 0});
}

TEST_CASE("average pooling: the divisor counts padding, but not what lies beyond it") {
    // 4x4, 3/2, no padding: windows [0,3) and [2,4) of each axis; the divisors are 9, 6, 6 and 4.
    CHECK(pool_counting(square(PoolMethod::average, 3, 2), 4, 4) ==
          std::vector<double>{54.0 / 9, 45.0 / 6, 72.0 / 6, 54.0 / 4});
    // 2x2, 3/2: one window, of which only the image counts.
    CHECK(pool_counting(square(PoolMethod::average, 3, 2), 2, 2) == std::vector<double>{10.0 / 4});
    // 2x2, 3/1 pad 1: each window sees all four elements and five zeros.
    CHECK(pool_counting(square(PoolMethod::average, 3, 1, 1), 2, 2) ==
          std::vector<double>{10.0 / 9, 10.0 / 9, 10.0 / 9, 10.0 / 9});
    // 4x4, 3/2 pad 1: windows start at -1, 1 and 3 and end at 2, 4 and 5 = 4 + pad, so the last divisor is 2 per axis.
    const auto y = pool_counting(square(PoolMethod::average, 3, 2, 1), 4, 4);
    REQUIRE(y.size() == 9);
    CHECK(y[0] == Approx((1 + 2 + 5 + 6) / 9.0));
    CHECK(y[4] == Approx((6 + 7 + 8 + 10 + 11 + 12 + 14 + 15 + 16) / 9.0));
    CHECK(y[2] == Approx((4 + 8) / 6.0));
    CHECK(y[8] == Approx(16 / 4.0));
}

TEST_CASE("lrn: alpha is divided by the window's size, and the window stops at the edge channels") {
    Doubles x = tensor({1, 4, 1, 1}, {1, 2, 3, 4});
    const auto op = make_lrn<double, Cpu>({3, 0.6, 0.5, 2.0}, x.spec());
    Doubles y(x.spec());
    op->forward(x.view(), y.view());
    // s = 2 + 0.6/3 * (sum of squares of neighbours); the edges divide by 3 as well.
    const std::vector<double> expected{1 / std::sqrt(2 + 0.2 * 5), 2 / std::sqrt(2 + 0.2 * 14),
                                       3 / std::sqrt(2 + 0.2 * 29), 4 / std::sqrt(2 + 0.2 * 25)};
    CHECK(worst_error(y.storage(), std::span(expected)) < Tolerance<double>::kElementwise * 2);
}

TEST_CASE("lrn within a channel: every window is divided by its full size, as Caffe's average pooling does") {
    Doubles x = tensor({1, 2, 2, 2}, {1, 2, 3, 4, /**/ 5, 0, 0, 0});
    const auto op = make_lrn<double, Cpu>({3, 1.8, 0.5, 1.0, NormRegion::within_channel}, x.spec());
    Doubles y(x.spec());
    op->forward(x.view(), y.view());
    // Each window sees the whole map and five zeros beyond it: s = 1 + 1.8/9 * 30 and 1 + 1.8/9 * 25.
    const double first = std::sqrt(7.0), second = std::sqrt(6.0);
    const std::vector<double> expected{1 / first, 2 / first, 3 / first, 4 / first, 5 / second, 0, 0, 0};
    CHECK(worst_error(y.storage(), std::span(expected)) < Tolerance<double>::kElementwise * 2);
    // A row: the windows of the ends have two elements, and divide by nine as well.
    Doubles row = tensor({1, 1, 1, 3}, {1, 2, 3});
    const auto row_op = make_lrn<double, Cpu>({3, 9.0, 0.5, 1.0, NormRegion::within_channel}, row.spec());
    Doubles row_y(row.spec());
    row_op->forward(row.view(), row_y.view());
    const std::vector<double> row_expected{1 / std::sqrt(6.0), 2 / std::sqrt(15.0), 3 / std::sqrt(14.0)};
    CHECK(worst_error(row_y.storage(), std::span(row_expected)) < Tolerance<double>::kElementwise * 2);
}

TEST_CASE("convolution agrees with its definition, element by element") {
    struct Case {
        Shape input;
        ConvolutionGeometry g;
    };
    const Case cases[] = {{{2, 3, 5, 6}, {4, 3, 3, 1, 1, 0, 0, 1, 1, 1, true}},
                          {{2, 4, 7, 9}, {6, 3, 2, 2, 3, 1, 2, 1, 1, 2, true}},
                          {{1, 2, 9, 8}, {2, 3, 3, 1, 2, 2, 1, 2, 3, 2, false}},
                          {{1, 3, 4, 4}, {3, 5, 5, 2, 2, 4, 4, 1, 1, 3, true}}};
    for (const Case& c : cases) {
        const ConvolutionGeometry& g = c.g;
        const auto op = make_convolution<double, Cpu>(g, {c.input, {}});
        const std::int64_t channels = c.input[1] / g.group;
        const Doubles x = random_tensor<double>(c.input, 1);
        const auto weight = random_values<double>(g.num_output * channels * g.kernel_h * g.kernel_w, 2);
        const auto bias = random_values<double>(g.num_output, 3);
        Doubles y(op->output());
        op->set_parameters(weight.data(), g.bias ? bias.data() : nullptr);
        op->forward(x.view(), y.view());

        std::vector<double> expected;
        const Shape& out = op->output().shape;
        REQUIRE(out[2] == convolved_extent(c.input[2], g.kernel_h, g.stride_h, g.pad_h, g.dilation_h));
        for (std::int64_t n = 0; n < out[0]; ++n)
            for (std::int64_t o = 0; o < out[1]; ++o)
                for (std::int64_t i = 0; i < out[2]; ++i)
                    for (std::int64_t j = 0; j < out[3]; ++j) {
                        double sum = g.bias ? bias[static_cast<std::size_t>(o)] : 0;
                        for (std::int64_t ch = 0; ch < channels; ++ch)
                            for (std::int64_t k = 0; k < g.kernel_h; ++k)
                                for (std::int64_t l = 0; l < g.kernel_w; ++l) {
                                    const std::int64_t h = i * g.stride_h - g.pad_h + k * g.dilation_h;
                                    const std::int64_t w = j * g.stride_w - g.pad_w + l * g.dilation_w;
                                    if (h < 0 || w < 0 || h >= c.input[2] || w >= c.input[3]) continue;
                                    const std::int64_t from = o / (g.num_output / g.group) * channels + ch;
                                    const std::int64_t tap = ((o * channels + ch) * g.kernel_h + k) * g.kernel_w + l;
                                    sum += weight[static_cast<std::size_t>(tap)] *
                                           x.data()[((n * c.input[1] + from) * c.input[2] + h) * c.input[3] + w];
                                }
                        expected.push_back(sum);
                    }
        CHECK(worst_error(y.storage(), std::span(expected)) < Tolerance<double>::kSum);
    }
}

TEST_CASE("convolution is a cross-correlation: the kernel is not flipped") {
    const Doubles x = tensor({1, 1, 2, 2}, {1, 2, 3, 4});
    const auto op = make_convolution<double, Cpu>({1, 2, 2}, x.spec());
    const double weight[] = {1, 10, 100, 1000}, bias[] = {0.5};
    Doubles y(op->output());
    op->set_parameters(weight, bias);
    op->forward(x.view(), y.view());
    CHECK(values_of(y) == std::vector<double>{1 + 20 + 300 + 4000 + 0.5});
}

TEST_CASE("parameters are taken when set_parameters is called, and a null dbias is not wanted") {
    const Doubles x = tensor({1, 3}, {1, 2, 3});
    const auto op = make_inner_product<double, Cpu>(2, true, x.spec());
    double weight[] = {1, 10, 100, -1, -1, -1}, bias[] = {0.5, 7};
    Doubles y(op->output());
    op->set_parameters(weight, bias);
    weight[0] = bias[0] = 1e9;
    op->forward(x.view(), y.view());
    CHECK(values_of(y) == std::vector<double>{321.5, 1});
    double dweight[6];
    op->backward_parameters(x.view(), y.view(), dweight, nullptr);
    CHECK(dweight[2] == 3 * 321.5);
}

TEST_CASE("concat puts channels one input after the other, sample by sample") {
    const Doubles a = tensor({2, 1, 1, 2}, {1, 2, 3, 4}), b = tensor({2, 2, 1, 2}, {5, 6, 7, 8, 9, 10, 11, 12});
    const TensorSpec specs[] = {a.spec(), b.spec()};
    const auto op = make_concat<double, Cpu>(specs);
    CHECK(op->output() == TensorSpec{{2, 3, 1, 2}, {}});
    Doubles y(op->output());
    const TensorView<const double, Cpu> inputs[] = {a.view(), b.view()};
    op->forward(inputs, y.view());
    CHECK(values_of(y) == std::vector<double>{1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12});
}

TEST_CASE("softmax: known answers, safe for large scores, along axis 1 only") {
    Doubles x = tensor({2, 3}, {0, std::log(2.0), std::log(5.0), 1000, 1000, -1000}), p(x.spec());
    softmax<double, Cpu>(x.view(), p.view());
    const std::vector<double> expected{0.125, 0.25, 0.625, 0.5, 0.5, 0};
    CHECK(worst_error(p.storage(), std::span(expected)) < 4 * Tolerance<double>::kElementwise);
    // Two positions: each is a distribution of its own.
    x = tensor({1, 2, 1, 2}, {0, 3, std::log(3.0), 3});
    p = Doubles(x.spec());
    softmax<double, Cpu>(x.view(), p.view());
    const std::vector<double> spatial{0.25, 0.5, 0.75, 0.5};
    CHECK(worst_error(p.storage(), std::span(spatial)) < 4 * Tolerance<double>::kElementwise);
}

TEST_CASE("the reference in float stays within float's tolerance of the reference in double") {
    const ConvolutionGeometry g{6, 3, 3, 2, 1, 1, 1, 1, 1, 2, true};
    const Shape input{2, 8, 9, 7};
    const Doubles x = random_tensor<double>(input, 1);
    const Tensor<float, Cpu> x_float = random_tensor<float>(input, 1);
    REQUIRE(worst_error(x_float.storage(), x.storage()) == 0);  // the same numbers: they have 24 bits
    const auto weight = random_values<double>(6 * 4 * 9, 2), bias = random_values<double>(6, 3);
    const auto weight_float = random_values<float>(6 * 4 * 9, 2), bias_float = random_values<float>(6, 3);

    reference::ReferenceConvolution<double> wide(g, x.spec());
    reference::ReferenceConvolution<float> narrow(g, x.spec());
    Doubles y(wide.output());
    Tensor<float, Cpu> y_float(narrow.output());
    wide.set_parameters(weight.data(), bias.data());
    narrow.set_parameters(weight_float.data(), bias_float.data());
    wide.forward(x.view(), y.view());
    narrow.forward(x_float.view(), y_float.view());
    CHECK(worst_error(y_float.storage(), y.storage()) < Tolerance<float>::kSum);
    CHECK(worst_error(y_float.storage(), y.storage()) > 0);

    reference::ReferenceLrn<double> wide_lrn({5, 2.0, 0.75, 1.0}, x.spec());
    reference::ReferenceLrn<float> narrow_lrn({5, 2.0, 0.75, 1.0}, x.spec());
    Doubles z(x.spec());
    Tensor<float, Cpu> z_float(x.spec());
    wide_lrn.forward(x.view(), z.view());
    narrow_lrn.forward(x_float.view(), z_float.view());
    CHECK(worst_error(z_float.storage(), z.storage()) < Tolerance<float>::kSum);
}
