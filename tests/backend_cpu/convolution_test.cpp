// SPDX-License-Identifier: Apache-2.0
// The shipped convolution and inner product against the reference, in every layout that an input may come in.
#include <string>
#include <vector>

#include "backend_cpu/parity.hpp"
#include "catch.hpp"
#include "firecaffe/ops/reference/convolution.hpp"
#include "firecaffe/ops/reference/inner_product.hpp"
#include "support/convolution_case.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

const Layout kLayouts[] = {Layout::plain(), Layout::blocked(16), Layout::blocked(8), Layout::channels_last()};

/// Forward, both gradients and a second forward after new parameters, of two ops that should agree.
template <class Op>
void check_parity(Op& op, Op& oracle, const TensorSpec& input, std::int64_t weights, std::int64_t biases) {
    REQUIRE(op.output().shape == oracle.output().shape);
    const Floats x = random_in(input, 1), x_plain = in_layout(x, Layout::plain());
    const Floats dy = random_in(op.output(), 2), dy_plain = in_layout(dy, Layout::plain());
    for (const std::uint64_t round : {0u, 1u}) {
        const auto weight = random_values<float>(weights, 3 + round), bias = random_values<float>(biases, 5 + round);
        const float* given_bias = biases > 0 ? bias.data() : nullptr;
        op.set_parameters(weight.data(), given_bias);
        oracle.set_parameters(weight.data(), given_bias);

        Floats y = unwritten(op.output()), y_oracle = unwritten(oracle.output());
        op.forward(x.view(), y.view());
        oracle.forward(x_plain.view(), y_oracle.view());
        CHECK(distance(y, y_oracle) < kClose);
        CHECK(padding_is_zero(y));

        Floats dx = unwritten(input), dx_oracle = unwritten(x_plain.spec());
        op.backward_data(dy.view(), dx.view());
        oracle.backward_data(dy_plain.view(), dx_oracle.view());
        CHECK(distance(dx, dx_oracle) < kClose);
        CHECK(padding_is_zero(dx));

        // One element more: nothing may be written beyond the parameters.
        std::vector<float> dw(weight.size() + 1, 77.f), db(bias.size() + 1, 77.f), dw_oracle = dw, db_oracle = db;
        op.backward_parameters(x.view(), dy.view(), dw.data(), db.data());
        oracle.backward_parameters(x_plain.view(), dy_plain.view(), dw_oracle.data(), db_oracle.data());
        CHECK(dw.back() == 77.f);
        CHECK(db.back() == 77.f);
        dw.pop_back(), db.pop_back(), dw_oracle.pop_back(), db_oracle.pop_back();
        CHECK(distance(dw, dw_oracle) < kClose);
        CHECK(distance(db, db_oracle) < kClose);
    }
}

std::vector<ConvolutionCase> cases() {
    std::vector<ConvolutionCase> all;
    for (const std::int64_t channels : {1, 3, 10, 16, 96})
        for (const std::int64_t outputs : {10, 16, 20}) {
            all.push_back({geometry(outputs, 1), {2, channels, 7, 5}});
            all.push_back({geometry(outputs, 3, 1, 1), {2, channels, 7, 9}});
            all.push_back({geometry(outputs, 3, 2, 0), {3, channels, 9, 8}});
            all.push_back({geometry(outputs, 5, 1, 2), {2, channels, 9, 9}});
        }
    all.push_back({geometry(96, 11, 4), {2, 3, 35, 35}});
    all.push_back({geometry(96, 5, 1, 2, 2), {2, 64, 9, 9}});   // AlexNet's conv2, in small
    all.push_back({geometry(20, 3, 1, 1, 2), {2, 10, 8, 8}});   // channels per group that no block fits
    all.push_back({geometry(96, 3, 1, 1, 96), {2, 96, 7, 7}});  // depthwise
    all.push_back({geometry(10, 3, 2, 1, 10), {2, 10, 9, 9}});
    all.push_back({geometry(32, 1, 2), {2, 64, 14, 14}});    // as in ResNet's shortcuts
    all.push_back({geometry(64, 7, 2, 3), {2, 3, 28, 28}});  // GoogLeNet's conv1
    all.push_back({geometry(4, 6), {2, 5, 6, 6}});           // the kernel covers the image
    all.push_back({geometry(16, 3, 1, 3), {1, 16, 4, 4}});   // windows in the padding alone
    ConvolutionCase odd{geometry(24, 3), {2, 32, 11, 13}};
    odd.geometry.kernel_w = 2, odd.geometry.stride_h = 2, odd.geometry.pad_w = 1, odd.geometry.dilation_h = 2;
    all.push_back(odd);
    odd.geometry.bias = false;
    all.push_back(odd);
    return all;
}

std::string name(const ConvolutionCase& c, const Layout& layout) {
    const auto& g = c.geometry;
    return text("input ", TensorSpec{c.input, layout}, " outputs ", g.num_output, " kernel ", g.kernel_h, " stride ",
                g.stride_h, " pad ", g.pad_h, " group ", g.group);
}

}  // namespace

TEST_CASE("convolution agrees with the reference, in every layout of the input") {
    for (const ConvolutionCase& c : cases())
        for (const Layout& layout : kLayouts) {
            INFO(name(c, layout));
            const TensorSpec input{c.input, layout};
            const auto op = make_convolution<float, Cpu>(c.geometry, input);
            reference::ReferenceConvolution<float> oracle(c.geometry, {c.input, {}});
            check_parity<Convolution<float, Cpu>>(*op, oracle, input, convolution_weight(c.geometry, c.input).count(),
                                                  c.geometry.bias ? c.geometry.num_output : 0);
        }
}

TEST_CASE("a fused ReLU changes y alone") {
    for (ConvolutionCase c :
         {ConvolutionCase{geometry(10, 3, 1, 1), {2, 16, 7, 9}}, ConvolutionCase{geometry(16, 1), {2, 3, 5, 5}},
          ConvolutionCase{geometry(20, 3, 1, 1, 2), {2, 10, 8, 8}}}) {
        c.geometry.relu = true;
        INFO(name(c, {}));
        const TensorSpec input{c.input, {}};
        const auto op = make_convolution<float, Cpu>(c.geometry, input);
        reference::ReferenceConvolution<float> oracle(c.geometry, input);
        check_parity<Convolution<float, Cpu>>(*op, oracle, input, convolution_weight(c.geometry, c.input).count(),
                                              c.geometry.num_output);
        // The oracle itself, against its own output without the ReLU.
        ConvolutionGeometry bare = c.geometry;
        bare.relu = false;
        reference::ReferenceConvolution<float> without(bare, input);
        const auto weight = random_values<float>(convolution_weight(c.geometry, c.input).count(), 3);
        const auto bias = random_values<float>(c.geometry.num_output, 5);
        const Floats x = random_in(input, 1);
        Floats y(oracle.output()), linear(oracle.output());
        oracle.set_parameters(weight.data(), bias.data());
        without.set_parameters(weight.data(), bias.data());
        oracle.forward(x.view(), y.view());
        without.forward(x.view(), linear.view());
        std::size_t clipped = 0;
        for (std::size_t i = 0; i < y.storage().size(); ++i) {
            clipped += linear.storage()[i] < 0;
            REQUIRE(y.storage()[i] == std::max(linear.storage()[i], 0.0f));
        }
        CHECK(clipped > 0);
    }
}

TEST_CASE("a convolution of no samples writes zero gradients") {
    for (const Layout& layout : kLayouts) {
        const TensorSpec input{{0, 16, 5, 5}, layout};
        const auto op = make_convolution<float, Cpu>(geometry(4, 3), input);
        CHECK(op->output().shape == Shape{0, 4, 3, 3});
        std::vector<float> weight(4 * 16 * 9, 1.f), bias(4, 1.f);
        Floats x(input), y(op->output());
        op->set_parameters(weight.data(), bias.data());
        op->forward(x.view(), y.view());
        op->backward_data(y.view(), x.view());
        op->backward_parameters(x.view(), y.view(), weight.data(), bias.data());
        CHECK(std::ranges::count(weight, 0.f) == 4 * 16 * 9);
        CHECK(std::ranges::count(bias, 0.f) == 4);
    }
}

TEST_CASE("the gradient of the parameters does not depend on a forward pass before it, nor on another x before it") {
    const TensorSpec input{{2, 20, 6, 6}, {}};  // plain with 20 channels: x is copied inside
    const ConvolutionGeometry g = geometry(16, 3);
    const auto op = make_convolution<float, Cpu>(g, input);
    const Floats a = random_in(input, 1), b = random_in(input, 2), dy = random_in(op->output(), 3);
    const auto weight = random_values<float>(16 * 20 * 9, 4), bias = random_values<float>(16, 5);
    std::vector<float> expected(weight.size()), dw(weight.size()), db(16);
    op->set_parameters(weight.data(), bias.data());
    op->backward_parameters(a.view(), dy.view(), expected.data(), nullptr);
    Floats y(op->output());
    op->forward(b.view(), y.view());
    op->backward_parameters(a.view(), dy.view(), dw.data(), db.data());
    CHECK(dw == expected);
    op->forward(a.view(), y.view());
    op->backward_parameters(a.view(), dy.view(), dw.data(), db.data());
    CHECK(dw == expected);
    op->backward_parameters(b.view(), dy.view(), dw.data(), db.data());
    CHECK(dw != expected);
}

TEST_CASE("inner product agrees with the reference, whose weights are in logical C, H, W order") {
    for (const Shape& shape : {Shape{8, 50, 4, 4}, Shape{33, 10, 3, 5}, Shape{16, 32, 1, 1}, Shape{1, 7, 1, 1},
                               Shape{20, 30}, Shape{5}, Shape{2, 3, 2, 2, 2}})
        for (const Layout& layout : kLayouts)
            for (const std::int64_t outputs : {1, 10, 40}) {
                if (!layout.is_plain() && shape.rank() != 4) continue;
                const TensorSpec input{shape, layout};
                INFO(to_string(input) << " outputs " << outputs);
                const bool bias = outputs != 40;
                const auto op = make_inner_product<float, Cpu>(outputs, bias, input);
                reference::ReferenceInnerProduct<float> oracle(outputs, bias, {shape, {}});
                check_parity<InnerProduct<float, Cpu>>(*op, oracle, input, outputs * shape.count_from(1),
                                                       bias ? outputs : 0);
            }
}

TEST_CASE("an inner product of no samples writes zero gradients") {
    const TensorSpec input{{0, 12}, {}};
    const auto op = make_inner_product<float, Cpu>(4, true, input);
    std::vector<float> weight(48, 1.f), bias(4, 1.f);
    Floats x(input), y(op->output());
    op->set_parameters(weight.data(), bias.data());
    op->forward(x.view(), y.view());
    op->backward_data(y.view(), x.view());
    op->backward_parameters(x.view(), y.view(), weight.data(), bias.data());
    CHECK(std::ranges::count(weight, 0.f) == 48);
    CHECK(std::ranges::count(bias, 0.f) == 4);
}
