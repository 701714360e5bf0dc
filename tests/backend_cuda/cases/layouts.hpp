// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/eltwise.hpp"
#include "firecaffe/ops/reference/concat.hpp"
#include "firecaffe/ops/rows.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("reorder goes from any layout to any", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    for (const Shape& shape : {Shape{2, 5, 4, 7}, Shape{2, 16, 3, 3}, Shape{3, 11}, Shape{0, 3, 2, 2}})
        for (const Layout& from : kLayouts)
            for (const Layout& to : kLayouts) {
                const Tensor<R, Cpu> x = random_in<T>(shape, 1);
                const Tensor<T, Device> in = sent_as<Device, T>(x, from);
                Tensor<T, Device> out = garbage<T, Device>({shape, to});
                bodies::make_reorder<T, Device>(in.spec(), out.spec())->run(in.view(), out.view());
                CHECK(same_bits(out, x));
                CHECK(padding_is_zero(out));
            }
}

TEMPLATE_TEST_CASE("concat joins inputs of several layouts, and slices the gradient", "[cuda]", float, double, bfloat16,
                   float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    const std::pair<std::int64_t, std::int64_t> channels[] = {{5, 9}, {8, 16}, {8, 5}, {12, 16}};
    for (const auto& [of_a, of_b] : channels)
        for (const Layout& first : kLayouts)
            for (const Layout& second : kLayouts) {
                INFO(of_a << " channels and " << of_b << ", " << to_string(first) << ' ' << to_string(second));
                const Tensor<R, Cpu> a = random_in<T>({2, of_a, 3, 4}, 1), b = random_in<T>({2, of_b, 3, 4}, 2);
                const Tensor<R, Cpu> dy = random_in<T>({2, of_a + of_b, 3, 4}, 3);
                const TensorSpec plain[] = {a.spec(), b.spec()};
                const TensorSpec specs[] = {{a.shape(), first}, {b.shape(), second}};
                ops::reference::ReferenceConcat<R> reference(plain);
                const auto concat = bodies::make_concat<T, Device>(specs);
                REQUIRE(concat->output() == TensorSpec{dy.shape(), first});

                Tensor<R, Cpu> y(dy.shape()), da(a.shape()), db(b.shape());
                const TensorView<const R, Cpu> x[] = {a.view(), b.view()};
                const TensorView<R, Cpu> dx[] = {da.view(), db.view()};
                reference.forward(x, y.view());
                reference.backward(dy.view(), dx);

                const Tensor<T, Device> in_a = sent_as<Device, T>(a, first), in_b = sent_as<Device, T>(b, second);
                const Tensor<T, Device> gradient = sent_as<Device, T>(dy, first);
                Tensor<T, Device> out = garbage<T, Device>(concat->output());
                Tensor<T, Device> to_a = garbage<T, Device>(specs[0]), to_b = garbage<T, Device>(specs[1]);
                const TensorView<const T, Device> in[] = {in_a.view(), in_b.view()};
                const TensorView<T, Device> both[] = {to_a.view(), to_b.view()};
                concat->forward(in, out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
                concat->backward(gradient.view(), both);
                CHECK((same_bits(to_a, da) && same_bits(to_b, db)));
                CHECK((padding_is_zero(to_a) && padding_is_zero(to_b)));
                Tensor<T, Device> part = sent_as<Device, T>(y, first);  // what is null is there already
                const TensorView<const T, Device> first_only[] = {in_a.view(), {nullptr, specs[1]}};
                const TensorView<const T, Device> none[] = {{nullptr, specs[0]}, {nullptr, specs[1]}};
                concat->forward(first_only, part.view());
                concat->forward(none, part.view());
                CHECK(same_bits(part, y));
                const TensorView<T, Device> second_only[] = {{}, to_b.view()};
                concat->backward(gradient.view(), second_only);
                CHECK(same_bits(to_b, db));
            }
}

TEMPLATE_TEST_CASE("eltwise is that of the CPU, with equal values and layouts that differ", "[cuda]", float, double,
                   bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    using ops::EltwiseOperation;
    const Shape shape{2, 5, 3, 4};
    for (const EltwiseOperation operation : {EltwiseOperation::sum, EltwiseOperation::prod, EltwiseOperation::max})
        for (const std::size_t inputs : {2u, 4u})
            for (const std::size_t mixed : {0u, 1u, 2u, 3u}) {
                ops::EltwiseParameters p{operation, {}};
                if (operation == EltwiseOperation::sum && inputs == 4) p.coeff = {1, -2, 0.5, 3};
                std::vector<Tensor<R, Cpu>> x, dx;
                std::vector<Tensor<T, Device>> in, to;
                std::vector<TensorSpec> plain, specs;
                for (std::size_t i = 0; i < inputs; ++i) {
                    x.push_back(random_in<T>(shape, 10 + i));
                    for (std::int64_t k = 0; k < 40; ++k) x[i].data()[k] = R(k % 3);  // ties
                    specs.push_back({shape, kLayouts[mixed == 0 ? 1 : (mixed + i) % 3]});
                    plain.push_back(x[i].spec());
                    in.push_back(sent_as<Device, T>(x[i], specs[i].layout));
                    to.push_back(garbage<T, Device>(specs[i]));
                    dx.emplace_back(shape);
                }
                std::vector<TensorView<const R, Cpu>> x_views;
                std::vector<TensorView<R, Cpu>> dx_views;
                std::vector<TensorView<const T, Device>> in_views;
                std::vector<TensorView<T, Device>> to_views;
                for (std::size_t i = 0; i < inputs; ++i) {
                    x_views.push_back(x[i].view()), dx_views.push_back(dx[i].view());
                    in_views.push_back(in[i].view()), to_views.push_back(to[i].view());
                }
                const auto reference = ops::make_eltwise<R, Cpu>(p, plain);
                const auto eltwise = bodies::make_eltwise<T, Device>(p, specs);
                Tensor<R, Cpu> y(shape);
                Tensor<T, Device> out = garbage<T, Device>(eltwise->output());
                reference->forward(x_views, y.view());
                eltwise->forward(in_views, out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
                const Tensor<R, Cpu> dy = random_in<T>(shape, 20);
                const Tensor<T, Device> gradient = sent_as<Device, T>(dy, out.spec().layout);
                reference->backward(x_views, dy.view(), dx_views);
                eltwise->backward(in_views, gradient.view(), to_views);
                for (std::size_t i = 0; i < inputs; ++i) CHECK((same_bits(to[i], dx[i]) && padding_is_zero(to[i])));
            }
    const TensorSpec different[] = {{{2, 3}, {}}, {{3, 2}, {}}};
    CHECK_THROWS_AS((bodies::make_eltwise<T, Device>({}, different)), ShapeError);
}

TEMPLATE_TEST_CASE("rows are copied, and looked up, as on the CPU", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    const Tensor<R, Cpu> from = random_in<T>({7, 10}, 1);
    Tensor<R, Cpu> to(Shape{7, 6});
    const Tensor<T, Device> source = sent_as<Device, T>(from);
    Tensor<T, Device> target(to.spec());
    ops::copy_rows<R, Cpu>({from.data() + 2, 10}, {to.data() + 1, 6}, 4, 7);
    bodies::copy_rows<T, Device>({source.data() + 2, 10}, {target.data() + 1, 6}, 4, 7);
    CHECK(same_bits(target, to));
    CHECK_THROWS_AS((bodies::copy_rows<T, Device>({source.data(), 3}, {target.data(), 6}, 4, 7)), ShapeError);

    constexpr std::int64_t kRows = 5, kOutputs = 3;
    const R numbers[] = {4, 0, 2, 2, 1, 4, 0};
    const Tensor<R, Cpu> index = plain_tensor<R>({7}, std::span<const R>(numbers));
    const Tensor<R, Cpu> weight = random_tensor<R>({kRows, kOutputs}, 2), bias = random_tensor<R>({kOutputs}, 3);
    const Tensor<R, Cpu> dy = random_in<T>({7, kOutputs}, 4);
    const Tensor<R, Device> indices = sent<Device>(index), weights = sent<Device>(weight), terms = sent<Device>(bias);
    const Tensor<T, Device> gradient = sent_as<Device, T>(dy);
    const Memory<Device> found(sizeof(ops::Refused));
    auto* const refused = reinterpret_cast<ops::Refused*>(found.data());
    for (const bool with_bias : {false, true}) {
        Tensor<R, Cpu> y(dy.shape()), dweight(weight.shape()), dbias(bias.shape());
        Tensor<T, Device> out(dy.spec());
        Tensor<R, Device> dweights = garbage<R, Device>(weight.spec()), dterms = garbage<R, Device>(bias.spec());
        ops::embed_forward<R, Cpu>(index.storage(), weight.data(), with_bias ? bias.data() : nullptr, kRows, kOutputs,
                                   y.data(), nullptr);
        bodies::embed_forward<T, Device>(indices.storage(), weights.data(), with_bias ? terms.data() : nullptr, kRows,
                                         kOutputs, out.data(), refused);
        CHECK(same_bits(out, y));
        CHECK_NOTHROW(bodies::check_indices<T, Device>(refused, kRows));
        ops::embed_backward<R, Cpu>(index.storage(), dy.data(), kRows, kOutputs, dweight.data(), dbias.data());
        bodies::embed_backward<T, Device>(indices.storage(), gradient.data(), kRows, kOutputs, dweights.data(),
                                          with_bias ? dterms.data() : nullptr);
        CHECK(same_bits(dweights, dweight));
        if (with_bias) CHECK(same_bits(dterms, dbias));
    }
    for (const R wrong : {R(5), R(-1), R(0.5), std::numeric_limits<R>::quiet_NaN()}) {
        Tensor<R, Cpu> bad = plain_tensor<R>({7}, std::span<const R>(numbers));
        bad.data()[3] = wrong;
        const Tensor<R, Device> on_device = sent<Device>(bad);
        Tensor<T, Device> out(dy.spec());
        bodies::embed_forward<T, Device>(on_device.storage(), weights.data(), nullptr, kRows, kOutputs, out.data(),
                                         refused);
        const std::vector<T> rows = memory_of(out);
        for (std::size_t i = 0; i < rows.size(); ++i) CHECK((rows[i] != rows[i]) == (i / kOutputs == 3));
        CHECK_THROWS_WITH((bodies::check_indices<T, Device>(refused, kRows)),
                          Catch::Matchers::Contains("at element 3 of the batch is no whole number in [0, 5)"));
    }
}

}  // namespace firecaffe::testing
