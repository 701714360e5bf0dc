// SPDX-License-Identifier: Apache-2.0
// Slice, Split, Flatten, Reshape, Embed, and Concat along other axes: shapes, elements, and what is refused.
#include "catch.hpp"

#include <limits>
#include <numeric>

#include "firecaffe/layers/axes.hpp"
#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"
#include "support/one_layer.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;
using Values = std::vector<double>;

namespace {

/// 0, 1, 2, ...
void count_up(Tensor<double, Cpu>& tensor) {
    std::iota(tensor.storage().begin(), tensor.storage().end(), 0.0);
}

void build(const NetBuilder& b, Shape data = Shape{2, 3, 4, 5}) {
    NetUnderTest<float>(b.build(), data, 2);
}

}  // namespace

TEST_CASE("slice cuts any axis, at points or in equal parts") {
    OneLayer<double> t(SliceOptions{.axis = 1, .slice_point = {1, 3}}, {{Shape{2, 4, 2}, {}}}, 3);
    count_up(t.x[0]);
    t.forward();
    CHECK(t.y[1].shape() == Shape{2, 2, 2});
    CHECK(values_of(t.y[0]) == Values{0, 1, 8, 9});
    CHECK(values_of(t.y[1]) == Values{2, 3, 4, 5, 10, 11, 12, 13});
    CHECK(values_of(t.y[2]) == Values{6, 7, 14, 15});
    for (std::size_t i = 0; i < 3; ++i) set(t.dy[i], values_of(t.y[i]));
    t.backward();
    CHECK(values_of(t.dx[0]) == values_of(t.x[0]));

    OneLayer<double> last(SliceOptions{.axis = -1}, {{Shape{2, 4}, {}}}, 2);
    count_up(last.x[0]);
    last.forward();
    CHECK(values_of(last.y[1]) == Values{2, 3, 6, 7});
    CHECK(sliced({.axis = 0}, Shape{6, 5}, 3) == std::vector<Shape>(3, Shape{2, 5}));
}

TEST_CASE("concat along other axes is the inverse of slice") {
    for (const std::int64_t axis : {0, 2, -1}) {
        const TensorSpec bottom{Shape{2, 3, 2}, {}};
        OneLayer<double> concat(ConcatOptions{.axis = axis}, {bottom, bottom});
        OneLayer<double> slice(SliceOptions{.axis = axis}, {concat.plan.tops[0]}, 2);
        count_up(concat.x[0]);
        set(concat.x[1], Values(12, 7.0));
        concat.forward();
        set(slice.x[0], values_of(concat.y[0]));
        slice.forward();
        CHECK(values_of(slice.y[0]) == values_of(concat.x[0]));
        CHECK(values_of(slice.y[1]) == values_of(concat.x[1]));
        set(concat.dy[0], values_of(concat.y[0]));
        concat.backward();
        CHECK(values_of(concat.dx[0]) == values_of(concat.x[0]));
        CHECK(values_of(concat.dx[1]) == values_of(concat.x[1]));
    }
    OneLayer<double> rows(ConcatOptions{.axis = 0}, {{Shape{1, 2}, {}}, {Shape{2, 2}, {}}});
    set(rows.x[0], {1, 2});
    set(rows.x[1], {3, 4, 5, 6});
    rows.forward();
    CHECK(rows.y[0].shape() == Shape{3, 2});
    CHECK(values_of(rows.y[0]) == Values{1, 2, 3, 4, 5, 6});
}

TEST_CASE("flatten: shapes") {
    const Shape bottom{2, 3, 4, 5};
    CHECK(flattened({}, bottom) == Shape{2, 60});
    CHECK(flattened({.axis = 0}, bottom) == Shape{120});
    CHECK(flattened({.axis = 1, .end_axis = 2}, bottom) == Shape{2, 12, 5});
    CHECK(flattened({.axis = -3, .end_axis = -2}, bottom) == Shape{2, 12, 5});
    CHECK(flattened({.axis = 2, .end_axis = 2}, bottom) == bottom);
    CHECK_THROWS_WITH(flattened({.axis = 4}, bottom), Contains("axis is 4") && Contains("2x3x4x5"));
    CHECK_THROWS_WITH(flattened({.end_axis = -5}, bottom), Contains("end_axis is -5") && Contains("2x3x4x5"));
    CHECK_THROWS_WITH(flattened({.axis = 2, .end_axis = 1}, bottom), Contains("end_axis 1 lies before axis 2"));
}

TEST_CASE("reshape: shapes, as Caffe's documentation has them") {
    const Shape bottom{2, 8};
    CHECK(reshaped({.shape = {0, 2, 4}}, bottom) == Shape{2, 2, 4});
    CHECK(reshaped({.shape = {2, 4}, .axis = 1}, bottom) == Shape{2, 2, 4});
    CHECK(reshaped({.shape = {0, -1, 4}}, bottom) == Shape{2, 2, 4});
    CHECK(reshaped({.shape = {-1}}, bottom) == Shape{16});
    CHECK(reshaped({.shape = {1}, .axis = 1, .num_axes = 0}, bottom) == Shape{2, 1, 8});
    CHECK(reshaped({.shape = {1}, .axis = -1, .num_axes = 0}, bottom) == Shape{2, 8, 1});
    CHECK(reshaped({.shape = {-1}, .axis = 1, .num_axes = 2}, Shape{2, 3, 4, 5}) == Shape{2, 12, 5});
    CHECK(reshaped({.shape = {0, 0, -1}}, Shape{2, 3, 4, 5}) == Shape{2, 3, 20});
}

TEST_CASE("reshape refuses what does not fit") {
    const Shape bottom{2, 3, 4, 5};
    CHECK_THROWS_WITH(reshaped({.shape = {2, 50}}, bottom),
                      Contains("2x3x4x5") && Contains("120") && Contains("[2, 50]"));
    CHECK_THROWS_WITH(reshaped({.shape = {7, -1}}, bottom), Contains("2x3x4x5") && Contains("[7, -1]"));
    CHECK_THROWS_AS(reshaped({.shape = {7, -1}}, bottom), ShapeError);
    CHECK_THROWS_WITH(reshaped({.shape = {-1, -1}}, bottom), Contains("[-1, -1]") && Contains("2 times -1"));
    CHECK_THROWS_WITH(reshaped({.shape = {-2, 60}}, bottom), Contains("[-2, 60]"));
    CHECK_THROWS_WITH(reshaped({.shape = {0, 0, 0, 0, 0}}, bottom), Contains("axis 4") && Contains("2x3x4x5"));
    CHECK_THROWS_WITH(reshaped({.shape = {1}, .axis = 5}, bottom), Contains("axis 5") && Contains("2x3x4x5"));
    CHECK_THROWS_WITH(reshaped({.shape = {1}, .axis = 3, .num_axes = 2}, bottom), Contains("num_axes 2"));
    CHECK_THROWS_WITH(reshaped({.shape = {1, 1, 1}, .num_axes = 0}, bottom), Contains("7 axes"));
}

TEST_CASE("flatten and reshape keep the elements, and cost no memory where nobody needs the bottom") {
    OneLayer<double> t(ReshapeOptions{.shape = {0, -1, 2}}, {{Shape{2, 3, 4}, {}}});
    count_up(t.x[0]);
    count_up(t.dy[0]);
    t.forward();
    t.backward();
    CHECK(t.y[0].shape() == Shape{2, 6, 2});
    CHECK(values_of(t.y[0]) == values_of(t.x[0]));
    CHECK(values_of(t.dx[0]) == values_of(t.dy[0]));

    const auto bytes = [](const NetBuilder& stem) {
        NetBuilder b = stem;
        b.inner_product("ip", {.num_output = 5, .weight_filler = xavier()}).softmax_with_loss();
        return NetUnderTest<double>(b.build(), Shape{2, 8, 16, 16}, 5).net.unshared_activation_bytes();
    };
    const auto stem = NetBuilder("n").convolution("conv", {.num_output = 8, .kernel_size = 1});
    CHECK(bytes(NetBuilder(stem).flatten("flat")) == bytes(stem));
    CHECK(bytes(NetBuilder(stem).reshape("shape", {.shape = {0, 4, -1}})) == bytes(stem));
    CHECK(bytes(NetBuilder(stem).split("split", {"a", "b"})) == bytes(stem));
}

TEST_CASE("the tops of a split are the bottom, whoever overwrites one of them") {
    const auto spec =
        NetBuilder("n").split("split", {"a", "b"}).relu().eltwise("sum", {"a", "b"}, {.coeff = {1, 10}}).build();
    Net<double, Cpu> net(spec, {.data = Shape{1, 3}, .phase = Phase::test, .retain = {"b", "sum"}},
                         LayerRegistry<double, Cpu>::with_builtin());
    Arena<double, Cpu> none(net.layout());
    net.bind(none);
    const double data[] = {-1, 0, 2};
    std::copy(std::begin(data), std::end(data), net.data().data());
    net.forward({});
    CHECK(Values(net.blob("b").data(), net.blob("b").data() + 3) == Values{-1, 0, 2});
    CHECK(Values(net.blob("sum").data(), net.blob("sum").data() + 3) == Values{-10, 0, 22});
}

TEST_CASE("embed: rows of the table, and a gradient that adds up the rows of equal indices") {
    for (const bool bias : {true, false}) {
        OneLayer<double> t(EmbedOptions{.input_dim = 3, .num_output = 2, .bias_term = bias}, {{Shape{2, 2}, {}}});
        CHECK(t.y[0].shape() == Shape{2, 2, 2});
        CHECK(t.parameters.size() == (bias ? 2 : 1));
        set(t.x[0], {2, 0, 2, 2});
        set(t.parameters[0], {1, 2, 3, 4, 5, 6});
        if (bias) set(t.parameters[1], {100, 200});
        t.forward();
        CHECK(values_of(t.y[0]) ==
              (bias ? Values{105, 206, 101, 202, 105, 206, 105, 206} : Values{5, 6, 1, 2, 5, 6, 5, 6}));
        set(t.dy[0], {1, 2, 3, 4, 5, 6, 7, 8});
        set(t.parameter_diffs[0], Values(6, 99.0));
        t.backward();
        CHECK(values_of(t.parameter_diffs[0]) == Values{3, 4, 0, 0, 13, 16});
        if (bias) CHECK(values_of(t.parameter_diffs[1]) == Values{16, 20});
    }
}

TEST_CASE("embed refuses an index that is none, with its value and place") {
    OneLayer<double> t(EmbedOptions{.input_dim = 3, .num_output = 1}, {{Shape{2, 1}, {}}});
    for (const double bad : {3.0, -1.0, 0.5, std::numeric_limits<double>::quiet_NaN()}) {
        set(t.x[0], {0, bad});
        CHECK_THROWS_AS(t.forward(), DataError);
        CHECK_THROWS_WITH(t.forward(), Contains(text(bad)) && Contains("element 1") && Contains("[0, 3)"));
    }
    CHECK_THROWS_WITH(build(NetBuilder("n").embed("e", {.num_output = 1})), Contains("'e'") && Contains("input_dim"));
    CHECK_THROWS_WITH(build(NetBuilder("n").embed("e", {.input_dim = 1})), Contains("'e'") && Contains("num_output"));
    CHECK_THROWS_WITH(build(NetBuilder("n").embed("e", {.input_dim = 1, .num_output = 1}), Shape{1, 1, 1, 1, 1, 1}),
                      Contains("'e'") && Contains("1x1x1x1x1x1"));
}

TEST_CASE("extents that no number holds are refused, not wrapped around") {
    const std::int64_t huge = std::int64_t{1} << 62;
    CHECK_THROWS_AS(reshaped({.shape = {huge, 4, -1}}, Shape{2, 3}), ShapeError);
    CHECK_THROWS_AS(reshaped({.shape = {huge, 4, 6}}, Shape{2, 3}), ShapeError);
    CHECK_THROWS_AS(
        reshaped({.shape = {6}, .axis = 1, .num_axes = std::numeric_limits<std::int64_t>::max()}, Shape{2, 3}),
        ShapeError);
    CHECK_THROWS_AS(reshaped({.shape = {6}, .axis = 1, .num_axes = -2}, Shape{2, 3}), ShapeError);
}

TEST_CASE("cuts and joins that do not fit name the layer and the shapes") {
    CHECK_THROWS_WITH(build(NetBuilder("n").slice("cut", {"a", "b"})),
                      Contains("layer 'cut'") && Contains("2x3x4x5") && Contains("2 equal parts"));
    CHECK_THROWS_WITH(build(NetBuilder("n").slice("cut", {"a", "b"}, {.axis = 4})),
                      Contains("layer 'cut'") && Contains("axis is 4") && Contains("2x3x4x5"));
    CHECK_THROWS_WITH(build(NetBuilder("n").slice("cut", {"a", "b"}, {.slice_point = {1, 2}})),
                      Contains("layer 'cut'") && Contains("[1, 2]") && Contains("2 tops"));
    for (const std::int64_t point : {0, 3, 9})
        CHECK_THROWS_WITH(build(NetBuilder("n").slice("cut", {"a", "b"}, {.slice_point = {point}})),
                          Contains("layer 'cut'") && Contains(text("[", point, "]")) && Contains("2x3x4x5"));
    CHECK_THROWS_AS(build(NetBuilder("n").slice("cut", {"a", "b", "c"}, {.slice_point = {2, 1}})), ShapeError);

    NetBuilder two("n");
    two.convolution("a", {.num_output = 3, .kernel_size = 1});
    two.from("data").convolution("b", {.num_output = 4, .kernel_size = 1});
    CHECK_THROWS_WITH(build(NetBuilder(two).concat("join", {"a", "b"}, {.axis = 2})),
                      Contains("layer 'join'") && Contains("2x3x4x5") && Contains("2x4x4x5") && Contains("axis 2"));
    CHECK_THROWS_WITH(build(NetBuilder(two).concat("join", {"a", "b"}, {.axis = -5})),
                      Contains("layer 'join'") && Contains("axis is -5"));
}
