// SPDX-License-Identifier: Apache-2.0
// Layers that compute in float where activations have two bytes, beside the same layers for float.
#include "firecaffe/layers/builtin/in_master.hpp"

#include <memory>
#include <vector>

#include "catch.hpp"
#include "firecaffe/layers/builtin/euclidean_loss.hpp"
#include "firecaffe/layers/builtin/scale.hpp"
#include "firecaffe/layers/builtin/softmax.hpp"
#include "firecaffe/layers/builtin/softmax_with_loss.hpp"
#include "support/values.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

/// Numbers in memory of T, and the same as float.
template <class T>
std::vector<T> in_type(const std::vector<float>& values) {
    std::vector<T> narrow;
    for (const float value : values) narrow.push_back(T(value));
    return narrow;
}
template <class T>
std::vector<float> as_float(const std::vector<T>& values) {
    std::vector<float> wide;
    for (const T value : values) wide.push_back(static_cast<float>(value));
    return wide;
}

}  // namespace

TEMPLATE_TEST_CASE("a loss in float reads its labels and writes its loss as they are", "", bfloat16, float16) {
    using T = TestType;
    const TensorSpec scores{{2, 1000}, {}}, labels{{2}, {}};
    const TensorSpec bottoms[] = {scores, labels};
    const std::vector<T> x = in_type<T>(random_values<float>(2000, 1));
    const std::vector<float> wide = as_float(x);
    const float classes[] = {999, 257};  // of which bfloat16 has neither

    SoftmaxWithLossLayer<float, Cpu> plain{SoftmaxWithLossOptions{}};
    InMaster<T, Cpu> layer(std::make_unique<SoftmaxWithLossLayer<float, Cpu>>(SoftmaxWithLossOptions{}));
    plain.setup(bottoms, Phase::train);
    const LayerPlan plan = layer.setup(bottoms, Phase::train);
    REQUIRE(plan.tops.size() == 1);
    CHECK((layer.reads_exact(1) && !layer.reads_exact(0) && layer.writes_exact(0)));
    CHECK((layer.differentiates_bottom(0) && !layer.differentiates_bottom(1)));
    CHECK(layer.loss_weight(0) == 1.0);

    float expected = 0, loss = 0, diff = 2;
    std::vector<float> expected_dx(2000);
    const TensorView<const float, Cpu> plain_bottoms[] = {{wide.data(), scores}, {classes, labels}};
    const TensorView<float, Cpu> plain_tops[] = {{&expected, {}}};
    const TensorView<const float, Cpu> plain_top_data[] = {{&expected, {}}}, plain_diffs[] = {{&diff, {}}};
    const TensorView<float, Cpu> plain_dx[] = {{expected_dx.data(), scores}, {nullptr, labels}};
    plain.forward({plain_bottoms, plain_tops, {}, {}, 0, Phase::train});
    plain.backward({plain_bottoms, plain_top_data, plain_diffs, plain_dx, {}, {}, {}, 0});

    std::vector<T> dx(2000, T(7.0F));
    const TensorView<const T, Cpu> in[] = {{x.data(), scores}, {reinterpret_cast<const T*>(classes), labels}};
    const TensorView<T, Cpu> tops[] = {{reinterpret_cast<T*>(&loss), {}}};
    const TensorView<const T, Cpu> top_data[] = {{reinterpret_cast<const T*>(&loss), {}}};
    const TensorView<const T, Cpu> top_diffs[] = {{reinterpret_cast<const T*>(&diff), {}}};
    const TensorView<T, Cpu> bottom_diffs[] = {{dx.data(), scores}, {nullptr, labels}};
    layer.forward({in, tops, {}, {}, 0, Phase::train});
    layer.backward({in, top_data, top_diffs, bottom_diffs, {}, {}, {}, 0});
    CHECK(loss == expected);
    CHECK(dx == in_type<T>(expected_dx));
}

TEMPLATE_TEST_CASE("a loss of any two tensors compares activations, or activations and labels", "", bfloat16, float16) {
    using T = TestType;
    const TensorSpec spec{{6, 1}, {}};
    const TensorSpec bottoms[] = {spec, spec};
    const std::vector<T> x = in_type<T>(random_values<float>(6, 1));
    const std::vector<float> wide = as_float(x);
    for (const bool labels : {false, true}) {
        CAPTURE(labels);
        // Numbers that neither type has, as they are or rounded.
        const std::vector<float> given{4097, 257.125F, -1.0009765F, 3, 70000, 0.1F};
        std::vector<T> rounded = in_type<T>(given);
        if (std::is_same_v<T, float16>) rounded[4] = T(1.0F);  // which overflows
        const std::vector<float> targets = labels ? given : as_float(rounded);
        EuclideanLossLayer<float, Cpu> plain{EuclideanLossOptions{}};
        InMaster<T, Cpu> layer(std::make_unique<EuclideanLossLayer<float, Cpu>>(EuclideanLossOptions{}));
        plain.setup(bottoms, Phase::train), layer.setup(bottoms, Phase::train);
        CHECK_FALSE(layer.reads_exact(1));
        if (labels) CHECK(layer.read_exactly(1));
        CHECK((layer.reads_exact(1) == labels && !layer.reads_exact(0)));

        float expected = 0, loss = 0, diff = 2;
        std::vector<float> expected_dx(6), expected_dt(6), exact_dt(6);
        const TensorView<const float, Cpu> plain_bottoms[] = {{wide.data(), spec}, {targets.data(), spec}};
        const TensorView<float, Cpu> plain_tops[] = {{&expected, {}}};
        const TensorView<const float, Cpu> plain_top_data[] = {{&expected, {}}}, plain_diffs[] = {{&diff, {}}};
        const TensorView<float, Cpu> plain_dx[] = {{expected_dx.data(), spec}, {expected_dt.data(), spec}};
        plain.forward({plain_bottoms, plain_tops, {}, {}, 0, Phase::train});
        plain.backward({plain_bottoms, plain_top_data, plain_diffs, plain_dx, {}, {}, {}, 0});

        std::vector<T> dx(6, T(7.0F)), dt(6, T(7.0F));
        const T* const t = labels ? reinterpret_cast<const T*>(given.data()) : rounded.data();
        const TensorView<const T, Cpu> in[] = {{x.data(), spec}, {t, spec}};
        const TensorView<T, Cpu> tops[] = {{reinterpret_cast<T*>(&loss), {}}};
        const TensorView<const T, Cpu> top_data[] = {{reinterpret_cast<const T*>(&loss), {}}};
        const TensorView<const T, Cpu> top_diffs[] = {{reinterpret_cast<const T*>(&diff), {}}};
        const TensorView<T, Cpu> bottom_diffs[] = {{dx.data(), spec},
                                                   {labels ? reinterpret_cast<T*>(exact_dt.data()) : dt.data(), spec}};
        layer.forward({in, tops, {}, {}, 0, Phase::train});
        layer.backward({in, top_data, top_diffs, bottom_diffs, {}, {}, {}, 0});
        CHECK(loss == expected);
        CHECK(dx == in_type<T>(expected_dx));
        if (labels)
            CHECK(exact_dt == expected_dt);
        else
            CHECK(dt == in_type<T>(expected_dt));
        // Labels have no gradient.
        const TensorView<T, Cpu> one_diff[] = {{dx.data(), spec}, {nullptr, spec}};
        layer.backward({in, top_data, top_diffs, one_diff, {}, {}, {}, 0});
        CHECK(dx == in_type<T>(expected_dx));
    }
}

TEMPLATE_TEST_CASE("a softmax in float is rounded once, and so is its gradient", "", bfloat16, float16) {
    using T = TestType;
    const TensorSpec spec{{3, 5, 2, 2}, {}};
    const std::vector<T> x = in_type<T>(random_values<float>(60, 2)), dy = in_type<T>(random_values<float>(60, 3));
    const std::vector<float> wide = as_float(x), wide_dy = as_float(dy);
    SoftmaxLayer<float, Cpu> plain{SoftmaxOptions{}};
    InMaster<T, Cpu> layer(std::make_unique<SoftmaxLayer<float, Cpu>>(SoftmaxOptions{}));
    plain.setup({&spec, 1}, Phase::train), layer.setup({&spec, 1}, Phase::train);
    CHECK_FALSE((layer.backward_reads_bottoms() || layer.backward_reads_tops()));

    std::vector<float> expected(60), expected_dx(60);
    const TensorView<const float, Cpu> a(wide.data(), spec), b(expected.data(), spec), c(wide_dy.data(), spec);
    const TensorView<float, Cpu> p(expected.data(), spec), q(expected_dx.data(), spec);
    plain.forward({{&a, 1}, {&p, 1}, {}, {}, 0, Phase::train});
    plain.backward({{&a, 1}, {&b, 1}, {&c, 1}, {&q, 1}, {}, {}, {}, 0});
    std::vector<T> y(60, T(7.0F)), dx(60, T(7.0F));
    const TensorView<const T, Cpu> in(x.data(), spec), out(y.data(), spec), slope(dy.data(), spec);
    const TensorView<T, Cpu> to(y.data(), spec), wanted(dx.data(), spec);
    layer.forward({{&in, 1}, {&to, 1}, {}, {}, 0, Phase::train});
    layer.backward({{&in, 1}, {&out, 1}, {&slope, 1}, {&wanted, 1}, {}, {}, {}, 0});
    CHECK(y == in_type<T>(expected));
    CHECK(dx == in_type<T>(expected_dx));
}

TEST_CASE("a layer with parameters does not compute in float by itself") {
    const TensorSpec spec{{3, 5}, {}};
    InMaster<bfloat16, Cpu> layer(std::make_unique<ScaleLayer<float, Cpu>>(ScaleOptions{}, 1));
    CHECK_THROWS_AS(layer.setup({&spec, 1}, Phase::train), UsageError);
}
