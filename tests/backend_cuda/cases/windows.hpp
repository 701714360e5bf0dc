// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/reference/lrn.hpp"
#include "firecaffe/ops/reference/lrn_within_channel.hpp"
#include "firecaffe/ops/reference/pooling.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("pooling has the bits of the reference, whatever kernel, stride, padding and layout", "[cuda]",
                   float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    using ops::PoolMethod, ops::RoundMode;
    struct Case {
        Shape shape;
        ops::PoolingGeometry geometry;
    };
    std::vector<Case> cases;
    for (const PoolMethod method : {PoolMethod::max, PoolMethod::average}) {
        cases.push_back({{2, 5, 13, 11}, {method, 3, 3, 2, 2, 0, 0, RoundMode::ceil}});
        cases.push_back({{2, 5, 12, 11}, {method, 3, 2, 2, 1, 1, 1, RoundMode::ceil}});
        cases.push_back({{1, 9, 7, 7}, {method, 3, 3, 1, 1, 1, 1, RoundMode::floor}});
        cases.push_back({{2, 3, 5, 5}, {method, 2, 2, 3, 3, 0, 0, RoundMode::ceil}});  // some elements are in no window
        cases.push_back(
            {{2, 3, 20, 17}, {method, 20, 17, 1, 1, 0, 0, RoundMode::ceil}});  // more places than a byte has
        cases.push_back({{2, 4, 16, 16}, {method, 16, 16, 1, 1, 0, 0, RoundMode::ceil}});  // as many
        cases.push_back({{2, 16, 9, 8}, {method, 3, 3, 2, 2, 0, 0, RoundMode::ceil}});     // channels that fill packs
        cases.push_back({{1, 8, 7, 7}, {method, 3, 3, 1, 1, 1, 1, RoundMode::ceil}});
        cases.push_back({{2, 24, 6, 9}, {method, 3, 3, 1, 1, 0, 0, RoundMode::ceil}});
        cases.push_back({{2, 16, 8, 11}, {method, 3, 3, 2, 2, 1, 1, RoundMode::ceil}});
        cases.push_back({{2, 16, 7, 10}, {method, 2, 2, 2, 2, 0, 0, RoundMode::ceil}});
        cases.push_back({{1, 16, 7, 6}, {method, 2, 2, 2, 2, 1, 1, RoundMode::floor}});
        cases.push_back({{0, 3, 6, 6}, {method, 2, 2, 2, 2, 0, 0, RoundMode::ceil}});
    }
    for (const Case& c : cases)
        for (const Layout& layout : kLayouts)
            for (const char* values : {"random", "equal", "no numbers"}) {
                Tensor<R, Cpu> x = random_in<T>(c.shape, 6);
                if (values[0] == 'e')
                    for (R& value : x.storage()) value = value > 0 ? R(1) : R(0);
                if (values[0] == 'n' && c.geometry.method == PoolMethod::max)
                    for (R& value : x.storage())
                        if (value < R(0)) value = value < R(-0.5) ? std::numeric_limits<R>::quiet_NaN() : -INFINITY;
                ops::reference::ReferencePooling<R> reference(c.geometry, x.spec());
                const auto pooling = bodies::make_pooling<T, Device>(c.geometry, {c.shape, layout});
                INFO(to_string(TensorSpec{c.shape, layout}) << ", kernel " << c.geometry.kernel_h << ", " << values);
                REQUIRE(pooling->output() == TensorSpec{reference.output().shape, layout});
                Tensor<R, Cpu> y(reference.output()), dx(x.spec());
                const Tensor<T, Device> in = sent_as<Device, T>(x, layout);
                Tensor<T, Device> out = garbage<T, Device>(pooling->output());
                const Tensor<R, Cpu> dy = random_in<T>(y.shape(), 7);
                const Tensor<T, Device> gradient = sent_as<Device, T>(dy, layout);
                Tensor<T, Device> slope = garbage<T, Device>(in.spec());
                if (c.geometry.method == PoolMethod::max)
                    CHECK_THROWS_AS(pooling->backward(gradient.view(), slope.view()), UsageError);

                reference.forward(x.view(), y.view());
                pooling->forward(in.view(), out.view());
                CHECK(same_bits(out, y));
                CHECK((values[0] == 'n' || padding_is_zero(out)));  // no NaN equals another
                reference.backward(dy.view(), dx.view());
                pooling->backward(gradient.view(), slope.view());
                CHECK(same_bits(slope, dx));
                CHECK(padding_is_zero(slope));
            }
}

TEMPLATE_TEST_CASE("LRN is that of the reference, across channels and within", "[cuda]", float, double, bfloat16,
                   float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    const Shape shapes[] = {{2, 9, 6, 5},  {1, 2, 3, 4}, {2, 33, 2, 2}, {1, 1, 7, 3},
                            {2, 24, 3, 2}, {1, 8, 2, 2}, {0, 3, 2, 2}};
    for (const ops::NormRegion region : {ops::NormRegion::across_channels, ops::NormRegion::within_channel})
        for (const auto& [size, beta] : {std::pair{5, 0.75}, {5, 0.6}, {3, 0.75}, {7, 0.75}})
            for (const Shape& shape : shapes)
                for (const Layout& layout : kLayouts) {
                    const ops::LrnParameters p{size, 0.3, beta, 1.5, region};
                    const Tensor<R, Cpu> x = random_in<T>(shape, 8), dy = random_in<T>(shape, 9);
                    Tensor<R, Cpu> y(shape), dx(shape);
                    std::unique_ptr<ops::Lrn<R, Cpu>> reference;
                    if (region == ops::NormRegion::across_channels)
                        reference = std::make_unique<ops::reference::ReferenceLrn<R>>(p, x.spec());
                    else
                        reference = std::make_unique<ops::reference::ReferenceLrnWithinChannel<R>>(p, x.spec());
                    reference->forward(x.view(), y.view());

                    const TensorSpec spec{shape, layout};
                    INFO(to_string(spec) << ", size " << size << ", beta " << beta);
                    const auto lrn = bodies::make_lrn<T, Device>(p, spec);
                    REQUIRE(lrn->output() == spec);
                    const Tensor<T, Device> in = sent_as<Device, T>(x, layout),
                                            gradient = sent_as<Device, T>(dy, layout);
                    Tensor<T, Device> out = garbage<T, Device>(spec), slope = garbage<T, Device>(spec);
                    lrn->forward(in.view(), out.view());
                    CHECK(error_of(out, y) <= 4 * Tolerance<T>::kElementwise);
                    CHECK(padding_is_zero(out));
                    round_to<T>(y);
                    reference->backward(x.view(), y.view(), dy.view(), dx.view());
                    const Tensor<T, Device> same_y = sent_as<Device, T>(y, layout);
                    lrn->backward(in.view(), same_y.view(), gradient.view(), slope.view());
                    CHECK(error_of(slope, dx) <= Tolerance<T>::kSum);
                    CHECK(padding_is_zero(slope));
                }
}

}  // namespace firecaffe::testing
