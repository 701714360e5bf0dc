// SPDX-License-Identifier: Apache-2.0
// The shipped pooling, LRN, concat and reorder against the reference, in every layout.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend_cpu/parity.hpp"
#include "catch.hpp"
#include "firecaffe/ops/reference/concat.hpp"
#include "firecaffe/ops/reference/lrn.hpp"
#include "firecaffe/ops/reference/lrn_within_channel.hpp"
#include "firecaffe/ops/reference/pooling.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

const Layout kLayouts[] = {Layout::plain(), Layout::blocked(16), Layout::blocked(8), Layout::channels_last()};

void check_pooling(const PoolingGeometry& g, const TensorSpec& input, const Floats& x) {
    INFO(to_string(input) << (g.method == PoolMethod::max ? " max" : " average") << " kernel " << g.kernel_h << "x"
                          << g.kernel_w << " stride " << g.stride_h << " pad " << g.pad_h);
    const auto op = make_pooling<float, Cpu>(g, input);
    reference::ReferencePooling<float> oracle(g, {input.shape, {}});
    REQUIRE(op->output() == TensorSpec{oracle.output().shape, input.layout});
    Floats y = unwritten(op->output()), y_oracle = unwritten(oracle.output());
    op->forward(x.view(), y.view());
    oracle.forward(in_layout(x, {}).view(), y_oracle.view());
    CHECK(distance(y, y_oracle) < kClose);
    CHECK(padding_is_zero(y));

    const Floats dy = random_in(op->output(), 2), dy_plain = in_layout(dy, {});
    Floats dx = unwritten(input), dx_oracle = unwritten({input.shape, {}});
    op->backward(dy.view(), dx.view());
    oracle.backward(dy_plain.view(), dx_oracle.view());
    CHECK(distance(dx, dx_oracle) < kClose);
    CHECK(padding_is_zero(dx));
    CHECK(distance(dy, random_in(op->output(), 2)) == 0);
}

/// Only three different values: every window has ties.
Floats with_ties(const TensorSpec& spec) {
    Floats x = random_tensor<float>(spec.shape, 7);
    for (float& value : x.storage()) value = std::round(value);
    return in_layout(x, spec.layout);
}

}  // namespace

TEST_CASE("pooling agrees with the reference: overrunning windows, padding, ties") {
    struct Case {
        std::int64_t kernel, stride, pad, h, w;
    };
    for (const Case& c :
         {Case{3, 2, 0, 28, 28}, Case{3, 2, 0, 14, 13}, Case{2, 2, 0, 8, 7}, Case{3, 1, 1, 7, 7}, Case{3, 2, 1, 9, 8},
          Case{7, 1, 0, 7, 7}, Case{5, 3, 2, 11, 12}, Case{3, 2, 0, 6, 6}, Case{2, 3, 0, 10, 10}, Case{6, 6, 0, 6, 6}})
        for (const PoolMethod method : {PoolMethod::max, PoolMethod::average})
            for (const RoundMode round : {RoundMode::ceil, RoundMode::floor})
                for (const std::int64_t channels : {10, 32})
                    for (const Layout& layout : kLayouts) {
                        const PoolingGeometry g{method, c.kernel, c.kernel, c.stride, c.stride, c.pad, c.pad, round};
                        const TensorSpec input{{2, channels, c.h, c.w}, layout};
                        check_pooling(g, input, random_in(input, 1));
                        check_pooling(g, input, with_ties(input));
                    }
}

TEST_CASE("pooling with a kernel that is larger than the image by less than the stride") {
    for (const PoolMethod method : {PoolMethod::max, PoolMethod::average})
        for (const std::int64_t pad : {0, 1})
            for (const Layout& layout : kLayouts) {
                const std::int64_t kernel = 3 + 2 * pad;
                const TensorSpec input{{2, 16, 2, 2}, layout};
                check_pooling({method, kernel, kernel, 2, 2, pad, pad, RoundMode::ceil}, input, random_in(input, 1));
            }
}

TEST_CASE("pooling with different extents along each axis") {
    for (const PoolMethod method : {PoolMethod::max, PoolMethod::average})
        for (const Layout& layout : kLayouts) {
            const TensorSpec input{{2, 16, 12, 9}, layout};
            check_pooling({method, 3, 2, 2, 1, 1, 0, RoundMode::ceil}, input, random_in(input, 1));
        }
}

TEST_CASE("LRN agrees with the reference") {
    struct Case {
        LrnParameters parameters;
        Shape shape;
    };
    for (const Case& c : {Case{{5, 1e-4, 0.75, 1.0}, {2, 96, 9, 9}}, Case{{5, 2.0, 0.75, 1.0}, {2, 10, 13, 13}},
                          Case{{3, 1.0, 0.75, 2.0}, {1, 20, 3, 30}}, Case{{5, 1.0, 0.5, 1.0}, {2, 17, 5, 5}},
                          Case{{1, 1.0, 1.3, 1.0}, {2, 16, 4, 4}}, Case{{21, 0.5, 0.75, 1.0}, {2, 18, 4, 5}},
                          Case{{5, 1.0, 0.75, 1.0}, {3, 33, 1, 1}}, Case{{5, 1.0, 0.75, 1e-3}, {0, 16, 3, 3}}})
        for (const Layout& layout : kLayouts) {
            const TensorSpec input{c.shape, layout};
            INFO(to_string(input) << " local_size " << c.parameters.local_size << " beta " << c.parameters.beta);
            const auto op = make_lrn<float, Cpu>(c.parameters, input);
            reference::ReferenceLrn<float> oracle(c.parameters, {c.shape, {}});
            REQUIRE(op->output() == input);
            Floats x = random_in(input, 1), dy = random_in(input, 2);
            for (float& value : x.storage()) value *= 5.0f;
            Floats y = unwritten(input), dx = unwritten(input);
            const Floats x_plain = in_layout(x, {}), dy_plain = in_layout(dy, {});
            Floats y_oracle(x_plain.spec()), dx_oracle(x_plain.spec());
            op->forward(x.view(), y.view());
            oracle.forward(x_plain.view(), y_oracle.view());
            CHECK(distance(y, y_oracle) < kClose);
            CHECK(padding_is_zero(y));
            op->backward(x.view(), y.view(), dy.view(), dx.view());
            oracle.backward(x_plain.view(), y_oracle.view(), dy_plain.view(), dx_oracle.view());
            CHECK(distance(dx, dx_oracle) < kClose);
            CHECK(padding_is_zero(dx));
        }
}

TEST_CASE("LRN within a channel agrees with the reference") {
    for (const Shape& shape : {Shape{2, 3, 9, 8}, Shape{1, 5, 1, 30}, Shape{2, 1, 17, 1}, Shape{1, 2, 2, 3},
                               Shape{0, 2, 4, 4}})
        for (const std::int64_t size : {1, 3, 5, 7})
            for (const double beta : {0.75, 0.6}) {
                const LrnParameters parameters{size, 2.0, beta, 1.0, NormRegion::within_channel};
                INFO(to_string(shape) << " local_size " << size << " beta " << beta);
                const auto op = make_lrn<float, Cpu>(parameters, {shape, {}});
                reference::ReferenceLrnWithinChannel<float> oracle(parameters, {shape, {}});
                REQUIRE(op->output() == TensorSpec{shape, {}});
                Floats x = random_in({shape, {}}, 1), dy = random_in({shape, {}}, 2);
                for (float& value : x.storage()) value *= 5.0f;
                Floats y = unwritten({shape, {}}), dx = unwritten({shape, {}}), y_oracle(shape), dx_oracle(shape);
                op->forward(x.view(), y.view());
                oracle.forward(x.view(), y_oracle.view());
                CHECK(distance(y, y_oracle) < kClose);
                op->backward(x.view(), y.view(), dy.view(), dx.view());
                oracle.backward(x.view(), y_oracle.view(), dy.view(), dx_oracle.view());
                CHECK(distance(dx, dx_oracle) < kClose);
            }
    const TensorSpec blocked{{1, 16, 4, 4}, Layout::blocked(16)};
    CHECK_THROWS_AS((make_lrn<float, Cpu>({3, 1, 0.75, 1, NormRegion::within_channel}, blocked)), ShapeError);
}

TEST_CASE("concat joins what it can in blocks, and reorders the rest") {
    const Layout plain = Layout::plain(), b16 = Layout::blocked(16), b8 = Layout::blocked(8),
                 last = Layout::channels_last();
    struct Input {
        std::int64_t channels;
        Layout layout;
    };
    struct Case {
        std::vector<Input> inputs;
        Layout expected;
    };
    for (const Case& c :
         {Case{{{16, b16}, {32, b16}, {10, b16}}, b16}, Case{{{10, b16}, {16, b16}}, plain},
          Case{{{16, b16}, {32, plain}}, b16}, Case{{{8, b8}, {16, b16}}, b8},
          Case{{{24, b16}, {16, b8}, {3, plain}}, b8}, Case{{{3, plain}, {5, plain}}, plain},
          Case{{{3, last}, {5, last}}, last}, Case{{{3, last}, {5, plain}}, plain}, Case{{{10, b16}}, b16}})
        for (const std::int64_t batch : {0, 1, 3}) {
            std::vector<TensorSpec> specs, plain_specs;
            std::vector<Floats> x, x_plain, dx;
            for (const Input& input : c.inputs) {
                specs.push_back({{batch, input.channels, 5, 4}, input.layout});
                plain_specs.push_back({specs.back().shape, {}});
                x.push_back(random_in(specs.back(), x.size()));
                x_plain.push_back(in_layout(x.back(), {}));
                dx.push_back(unwritten(specs.back()));
            }
            std::vector<TensorView<const float, Cpu>> views, plain_views;
            std::vector<TensorView<float, Cpu>> gradients;
            for (std::size_t i = 0; i < x.size(); ++i) {
                views.push_back(std::as_const(x[i]).view());
                plain_views.push_back(std::as_const(x_plain[i]).view());
                gradients.push_back(dx[i].view());
            }
            const auto op = make_concat<float, Cpu>(specs);
            reference::ReferenceConcat<float> oracle(plain_specs);
            CHECK(op->output() == TensorSpec{oracle.output().shape, c.expected});
            Floats y = unwritten(op->output()), y_oracle(oracle.output());
            op->forward(views, y.view());
            oracle.forward(plain_views, y_oracle.view());
            CHECK(distance(y, y_oracle) == 0);
            CHECK(padding_is_zero(y));
            op->backward(y.view(), gradients);  // slices y itself, so the inputs come back
            for (std::size_t i = 0; i < x.size(); ++i) {
                CHECK(distance(dx[i], x[i]) == 0);
                CHECK(padding_is_zero(dx[i]));
            }
            gradients[0] = {nullptr, specs[0]};
            CHECK_NOTHROW(op->backward(y.view(), gradients));
        }
}

TEST_CASE("reorder goes between all layouts and back") {
    for (const Shape& shape :
         {Shape{2, 10, 5, 3}, Shape{1, 32, 4, 4}, Shape{3, 7}, Shape{2, 3, 2, 2, 3}, Shape{0, 8, 3, 3}, Shape{4}})
        for (const Layout& from : kLayouts)
            for (const Layout& to : kLayouts) {
                if (shape.rank() < 2 && !(from.is_plain() && to.is_plain())) continue;
                INFO(to_string(shape) << ' ' << to_string(from) << " -> " << to_string(to));
                const Floats x = random_in({shape, from}, 1);
                Floats y = unwritten({shape, to});
                make_reorder<float, Cpu>(x.spec(), y.spec())->run(x.view(), y.view());
                CHECK(distance(y, x) == 0);
                CHECK(padding_is_zero(y));
            }
}
