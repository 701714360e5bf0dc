// SPDX-License-Identifier: Apache-2.0
// Elementwise layers in float and in every layout, against the same layer in double and plain: the values agree, and
// what pads the last block stays zero.
#include <algorithm>
#include <vector>

#include "backend_cpu/parity.hpp"
#include "catch.hpp"
#include "firecaffe/ops/eltwise.hpp"
#include "support/one_layer.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

using Operation = ops::EltwiseOperation;
const Layout kLayouts[] = {Layout::plain(), Layout::blocked(16), Layout::blocked(8), Layout::channels_last()};
const Shape kShape{2, 19, 5, 7};

Tensor<double, Cpu> in_double(const Floats& from) {
    const Floats plain = in_layout(from, Layout::plain());
    Tensor<double, Cpu> to(plain.shape());
    std::ranges::copy(plain.storage(), to.data());
    return to;
}

Floats in_float(const Tensor<double, Cpu>& from) {
    Floats to(from.shape());
    std::ranges::transform(from.storage(), to.data(), [](double v) { return static_cast<float>(v); });
    return to;
}

void check_tensor(const Floats& found, const Tensor<double, Cpu>& expected) {
    CHECK(distance(found, in_float(expected)) < 1e-6);
    CHECK(padding_is_zero(found));
}

/// One forward and one backward pass with bottoms in `layouts`.
void check(const LayerOptions& options, const std::vector<Layout>& layouts) {
    std::vector<TensorSpec> specs;
    for (const Layout& layout : layouts) specs.push_back({kShape, layout});
    INFO(kLayerTypes[options.index()] << " of " << to_string(specs[0]) << " and " << to_string(specs.back()));
    OneLayer<float> ours(options, specs);
    OneLayer<double> truth(options, std::vector<TensorSpec>(specs.size(), TensorSpec{kShape, {}}));
    for (std::size_t i = 0; i < specs.size(); ++i) {
        ours.x[i] = random_in(specs[i], 10 + i);
        truth.x[i] = in_double(ours.x[i]);
    }
    ours.dy[0] = random_in(ours.y[0].spec(), 2);
    truth.dy[0] = in_double(ours.dy[0]);
    for (std::size_t p = 0; p < ours.parameters.size(); ++p) {
        ours.parameters[p] = random_tensor<float>(ours.parameters[p].shape(), 30 + p);
        truth.parameters[p] = in_double(ours.parameters[p]);
    }
    ours.y[0] = unwritten(ours.y[0].spec());
    for (Floats& dx : ours.dx) dx = unwritten(dx.spec());
    ours.forward();
    ours.backward();
    truth.forward();
    truth.backward();
    check_tensor(ours.y[0], truth.y[0]);
    for (std::size_t i = 0; i < specs.size(); ++i) check_tensor(ours.dx[i], truth.dx[i]);
    for (std::size_t p = 0; p < ours.parameters.size(); ++p)
        check_tensor(ours.parameter_diffs[p], truth.parameter_diffs[p]);
}

}  // namespace

TEST_CASE("activations agree with double in every layout and leave padding zero") {
    const LayerOptions all[] = {SigmoidOptions{},
                                TanhOptions{},
                                EluOptions{.alpha = 0.7},
                                PreluOptions{},
                                PreluOptions{.channel_shared = true},
                                PowerOptions{.scale = 2, .shift = 3},
                                PowerOptions{.power = 2, .shift = 3},
                                PowerOptions{.power = 0.5, .shift = 2},
                                PowerOptions{.power = 0}};
    for (const LayerOptions& options : all)
        for (const Layout& layout : kLayouts) check(options, {layout});
}

TEST_CASE("a derivative that is infinite at zero does not spoil the padding") {
    const TensorSpec spec{kShape, Layout::blocked(8)};
    OneLayer<float> t(PowerOptions{.power = 0.5, .scale = 4}, {spec});
    for (float& x : t.x[0].storage()) x = 1;
    t.x[0] = in_layout(in_layout(t.x[0], {}), spec.layout);
    t.dy[0] = random_in(spec, 2);
    t.forward();
    t.backward();
    CHECK(padding_is_zero(t.y[0]));
    CHECK(padding_is_zero(t.dx[0]));
    CHECK(t.y[0].data()[0] == 2.0f);
    CHECK(t.dx[0].data()[0] == t.dy[0].data()[0]);
}

TEST_CASE("eltwise agrees with double, whatever the layouts of its bottoms") {
    for (const EltwiseOptions& options :
         {EltwiseOptions{}, EltwiseOptions{.coeff = {1, -0.5, 2}}, EltwiseOptions{.operation = Operation::prod},
          EltwiseOptions{.operation = Operation::max}})
        for (const Layout& first : kLayouts)
            for (const Layout& second : kLayouts) {
                check(options, {first, second, first});
                check(options, {first, first, second});
            }
}

TEST_CASE("eltwise writes a blocked layout if one of its bottoms has one") {
    for (const Layout& other : kLayouts) {
        const auto op =
            ops::make_eltwise<float, Cpu>({}, std::vector<TensorSpec>{{kShape, other}, {kShape, Layout::blocked(8)}});
        CHECK(op->output().layout == (other.kind == Layout::Kind::blocked ? other : Layout::blocked(8)));
    }
}
