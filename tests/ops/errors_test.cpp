// SPDX-License-Identifier: Apache-2.0
// Bad input is refused with a message that has the values, both shapes and the cure.
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "firecaffe/ops/class_loss.hpp"
#include "firecaffe/ops/element_loss.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/rows.hpp"
#include "firecaffe/ops/shapes.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;

namespace {
/// The message of the Wanted that `call` throws; fails the test when it throws something else, or nothing.
template <class Wanted, class Call>
std::string message(const Call& call) {
    try {
        call();
    } catch (const Wanted& error) {
        CHECK(std::string(error.what()).find('\n') == std::string::npos);
        return error.what();
    }
    FAIL("nothing was thrown");
    return {};
}

bool has(const std::string& text, const std::vector<std::string>& parts) {
    for (const std::string& part : parts)
        if (text.find(part) == std::string::npos) {
            WARN("'" << text << "' lacks '" << part << "'");
            return false;
        }
    return true;
}

TensorSpec spec(const Shape& shape, const Layout& layout = {}) {
    return {shape, layout};
}

Tensor<double, Cpu> zeros(const Shape& shape) {
    return Tensor<double, Cpu>(shape);
}
}  // namespace

TEST_CASE("convolution refuses what does not fit") {
    const auto refuse = [](const ConvolutionGeometry& g, const TensorSpec& input) {
        return message<Error>([&] { make_convolution<double, Cpu>(g, input); });
    };
    ConvolutionGeometry g{4, 7, 7};
    CHECK(has(refuse(g, spec({2, 3, 5, 6})), {"convolution", "7x7", "2x3x5x6", "5x6", "smaller kernel"}));
    g.kernel_h = g.kernel_w = 3;
    g.dilation_h = 3;
    CHECK(has(refuse(g, spec({2, 3, 5, 6})), {"dilation 3x1", "2x3x5x6"}));
    g.dilation_h = 1;
    g.group = 2;
    CHECK(has(refuse(g, spec({2, 3, 5, 6})), {"group 2", "3 channels", "2x3x5x6", "num_output 4", "divisor"}));
    g.group = 3;
    CHECK(has(refuse(g, spec({2, 3, 5, 6})), {"group 3", "num_output 4"}));
    g.group = 1;
    CHECK(has(refuse(g, spec({2, 3})), {"2x3", "2 axes", "N, C, H, W"}));
    CHECK(has(refuse(g, spec({2, 3, 5, 6}, Layout::blocked(8))), {"2x3x5x6 nChw8c", "nchw", "reorder"}));
    for (auto broken :
         {&ConvolutionGeometry::num_output, &ConvolutionGeometry::kernel_w, &ConvolutionGeometry::stride_h,
          &ConvolutionGeometry::group, &ConvolutionGeometry::dilation_w}) {
        ConvolutionGeometry bad = g;
        bad.*broken = 0;
        CHECK(has(message<ConfigError>([&] { convolution_output(bad, {2, 3, 5, 6}); }), {"is 0", "at least 1"}));
    }
    g.pad_w = -1;
    CHECK(has(message<ConfigError>([&] { convolution_output(g, {2, 3, 5, 6}); }), {"pad is -1", "at least 0"}));
}

TEST_CASE("an op refuses tensors that it was not built for, and steps out of order") {
    const auto op = make_convolution<double, Cpu>({4, 3, 3}, spec({2, 3, 5, 6}));
    auto x = zeros({2, 3, 5, 6}), y = zeros({2, 4, 3, 4}), wrong_batch = zeros({3, 3, 5, 6});
    const std::vector<double> weight(4 * 3 * 9), bias(4);
    CHECK(has(message<UsageError>([&] { op->forward(x.view(), y.view()); }), {"set_parameters first"}));
    CHECK(has(message<UsageError>([&] { op->set_parameters(weight.data(), nullptr); }), {"no bias"}));
    CHECK(has(message<UsageError>([&] { op->set_parameters(nullptr, bias.data()); }), {"no weight"}));
    op->set_parameters(weight.data(), bias.data());
    CHECK_NOTHROW(op->forward(x.view(), y.view()));
    CHECK(has(message<ShapeError>([&] { op->forward(wrong_batch.view(), y.view()); }), {"3x3x5x6", "2x3x5x6"}));
    CHECK(has(message<ShapeError>([&] { op->forward(x.view(), x.view()); }), {"y is 2x3x5x6", "2x4x3x4"}));
    CHECK(has(message<ShapeError>([&] { op->backward_data(x.view(), x.view()); }), {"dy is 2x3x5x6", "2x4x3x4"}));

    const auto pool = make_pooling<double, Cpu>({PoolMethod::max, 2, 2}, spec({2, 3, 5, 6}));
    auto dy = Tensor<double, Cpu>(pool->output());
    CHECK(has(message<UsageError>([&] { pool->backward(dy.view(), x.view()); }), {"backward before forward"}));

    const auto ip = make_inner_product<double, Cpu>(4, false, spec({2, 3}));
    auto in = zeros({2, 3}), out = zeros({2, 5});
    ip->set_parameters(weight.data(), nullptr);
    CHECK(has(message<ShapeError>([&] { ip->forward(in.view(), out.view()); }), {"2x5", "2x4"}));
}

TEST_CASE("inner product, pooling and lrn refuse what does not fit") {
    CHECK(has(message<ConfigError>([] {
                  make_inner_product<double, Cpu>(0, true, spec({2, 3}));
              }),
              {"num_output is 0"}));
    CHECK(has(message<ShapeError>([] {
                  make_inner_product<double, Cpu>(4, true, spec({2, 8}, Layout::blocked(8)));
              }),
              {"2x8 nChw8c", "reorder"}));

    const auto refuse = [](std::int64_t kernel, std::int64_t stride, std::int64_t pad, const Shape& input) {
        return message<Error>([&] {
            make_pooling<double, Cpu>({PoolMethod::max, kernel, kernel, stride, stride, pad, pad}, spec(input));
        });
    };
    CHECK(has(refuse(6, 1, 0, {1, 2, 5, 7}), {"6x6", "1x2x5x7", "5x7"}));
    CHECK(has(refuse(2, 1, 2, {1, 2, 5, 7}), {"pad 2x2", "kernel 2x2"}));
    CHECK(has(refuse(1, 3, 0, {1, 2, 5, 7}), {"starts beyond", "1x2x5x7", "stride 3x3", "floor"}));
    CHECK(has(refuse(0, 1, 0, {1, 2, 5, 7}), {"kernel is 0"}));
    CHECK(has(refuse(2, 0, 0, {1, 2, 5, 7}), {"stride is 0"}));
    CHECK(has(refuse(2, 1, 0, {1, 2, 5}), {"1x2x5", "3 axes"}));

    CHECK(has(message<ConfigError>([] {
                  make_lrn<double, Cpu>({4}, spec({1, 2, 5, 7}));
              }),
              {"local_size is 4", "odd"}));
    CHECK(has(message<ShapeError>([] { make_lrn<double, Cpu>({5}, spec({3})); }), {"3", "1 axes"}));
}

TEST_CASE("concat and reorder refuse what does not fit") {
    CHECK(has(message<ConfigError>([] { make_concat<double, Cpu>({}); }), {"no inputs"}));
    for (const Shape& other : {Shape{2, 3, 4, 6}, Shape{1, 3, 4, 5}, Shape{2, 3, 4}}) {
        const TensorSpec specs[] = {spec({2, 1, 4, 5}), spec(other)};
        CHECK(has(message<ShapeError>([&] { make_concat<double, Cpu>(specs); }),
                  {"input 1", to_string(other), "2x1x4x5"}));
    }
    const TensorSpec specs[] = {spec({2, 1, 4, 5}), spec({2, 2, 4, 5})};
    const auto op = make_concat<double, Cpu>(specs);
    auto a = zeros({2, 1, 4, 5}), y = zeros({2, 3, 4, 5});
    const TensorView<const double, Cpu> one[] = {a.view()}, twice[] = {a.view(), a.view()};
    CHECK(has(message<UsageError>([&] { op->forward(one, y.view()); }), {"1 inputs", "2"}));
    CHECK(has(message<ShapeError>([&] { op->forward(twice, y.view()); }), {"2x1x4x5", "2x2x4x5"}));

    CHECK(has(message<ShapeError>([] { make_reorder<double, Cpu>(spec({2, 3}), spec({3, 2})); }), {"2x3", "3x2"}));
    CHECK_THROWS_AS((make_reorder<double, Cpu>(spec({4}), spec({4}, Layout::channels_last()))), ShapeError);
    CHECK_THROWS_AS((make_reorder<double, Cpu>(spec({2, 4}), spec({2, 4}, {Layout::Kind::blocked, 0}))), ConfigError);
}

TEST_CASE("elementwise functions refuse what does not fit") {
    std::vector<double> three(3), four(4);
    const std::span<const double> x(three);
    CHECK(has(message<ShapeError>([&] { relu_forward<double, Cpu>(x, four, 0); }), {"3", "4"}));
    CHECK(has(message<ShapeError>([&] { relu_backward<double, Cpu>(x, x, four, 0); }), {"3", "4"}));
    CHECK(has(message<ShapeError>([&] { accumulate<double, Cpu>(x, four); }), {"3", "4"}));

    auto a = zeros({2, 3}), b = zeros({3, 2});
    const std::uint64_t ids[] = {1, 2, 3};
    const DropoutKey two{0, 0, 0, std::span(ids).first(2)}, three_ids{0, 0, 0, ids};
    CHECK(has(message<ShapeError>([&] { dropout<double, Cpu>(a.view(), b.view(), two, 0.5f); }), {"2x3", "3x2"}));
    CHECK(has(message<ShapeError>([&] { dropout<double, Cpu>(a.view(), a.view(), three_ids, 0.5f); }),
              {"3 sample ids", "batch 2"}));
    for (const float ratio : {1.0f, -0.1f, std::numeric_limits<float>::quiet_NaN()})
        CHECK(has(message<ConfigError>([&] { dropout<double, Cpu>(a.view(), a.view(), two, ratio); }), {"ratio is "}));
    CHECK(has(message<ShapeError>([&] { softmax<double, Cpu>(a.view(), b.view()); }), {"2x3", "3x2"}));
    Tensor<double, Cpu> last(TensorSpec{{2, 3, 2, 2}, Layout::channels_last()});
    CHECK(has(message<ShapeError>([&] { softmax<double, Cpu>(last.view(), last.view()); }), {"nhwc", "reorder"}));
}

TEST_CASE("losses refuse what does not fit") {
    auto six = zeros({2, 3}), four = zeros({2, 2}), two = zeros({2}), three = zeros({3}), nine = zeros({3, 3});
    using View = TensorView<const double, Cpu>;
    const View x = six.view(), y = four.view(), labels = two.view(), more = three.view(), h = nine.view();
    Tensor<double, Cpu> last(TensorSpec{{2, 3, 2, 2}, Layout::channels_last()});
    const View blocked = last.view();
    LossSum sum{};
    const double gradient = 1.0;
    CHECK(has(message<ShapeError>([&] { squared_distance<double, Cpu>(x, y, &sum); }), {"2x3", "2x2"}));
    CHECK(
        has(message<ShapeError>([&] { squared_distance<double, Cpu>(blocked, blocked, &sum); }), {"nhwc", "reorder"}));
    CHECK(has(message<ShapeError>([&] {
                  scaled_difference<double, Cpu>(x, x, {&gradient, &sum, 1}, four.view());
              }),
              {"2x3", "2x2"}));
    CHECK(has(message<ShapeError>([&] { sigmoid_cross_entropy<double, Cpu>(x, y, -1, &sum); }), {"2x3", "2x2"}));
    CHECK(has(message<ShapeError>([&] { hinge<double, Cpu>(x, more, HingeNorm::l1, &sum); }),
              {"3 labels", "2 predictions"}));
    CHECK(
        has(message<ShapeError>([&] { infogain<double, Cpu>(x, more, h, -1, &sum); }), {"3 labels", "2 predictions"}));
    CHECK(has(message<ShapeError>([&] { infogain<double, Cpu>(x, labels, x, -1, &sum); }), {"H is 2x3", "3 classes"}));
    CHECK(has(message<ShapeError>([&] { copy<double, Cpu>(x.storage(), four.storage()); }), {"6", "4"}));
    const Rows<const double> from{x.data(), 2};
    CHECK(has(message<ShapeError>([&] { copy_rows<double, Cpu>(from, {six.data(), 3}, 3, 2); }), {"overlap"}));
}
