// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/prelu.hpp"
#include "firecaffe/ops/reference/batch_norm.hpp"
#include "firecaffe/ops/reference/scale.hpp"

namespace firecaffe::testing {

inline const Shape kChannelShapes[] = {{3, 5, 4, 7}, {2, 16, 9, 9}, {70, 3}, {1, 9, 1, 1}, {2, 4, 3, 2, 2}};

TEMPLATE_TEST_CASE("scale is that of the reference", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts) {
            const TensorSpec spec{shape, layout};
            INFO(to_string(spec));
            const std::int64_t channels = shape[1];
            const Tensor<R, Cpu> x = random_in<T>(shape, 1), dy = random_in<T>(shape, 2);
            const Tensor<R, Cpu> factor = random_tensor<R>({channels}, 3), term = random_tensor<R>({channels}, 4);
            const Tensor<R, Device> factors = sent<Device>(factor), terms = sent<Device>(term);
            const Tensor<T, Device> in = sent_as<Device, T>(x, layout), gradient = sent_as<Device, T>(dy, layout);
            ops::reference::ReferenceScale<R> reference(x.spec());
            const auto scale = bodies::make_scale<T, Device>(spec);
            Tensor<R, Cpu> y(shape), dfactor(Shape{channels}), dterm(Shape{channels});
            for (const int which : {0, 1, 2, 3}) {
                Tensor<T, Device> out = garbage<T, Device>(spec);
                reference.forward(x.view(), which & 1 ? factor.data() : nullptr, which & 2 ? term.data() : nullptr,
                                  y.view());
                scale->forward(in.view(), which & 1 ? factors.data() : nullptr, which & 2 ? terms.data() : nullptr,
                               out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
            }
            Tensor<T, Device> slope = sent_as<Device, T>(dy, layout);
            reference.backward_data(dy.view(), factor.data(), y.view());
            scale->backward_data(slope.view(), factors.data(), slope.view());
            CHECK(same_bits(slope, y));
            Tensor<R, Device> dfactors(Shape{channels}), dterms(Shape{channels}), only(Shape{channels});
            reference.backward_parameters(x.view(), dy.view(), dfactor.data(), dterm.data());
            scale->backward_parameters(in.view(), gradient.view(), dfactors.data(), dterms.data());
            CHECK(error_of(dfactors, dfactor) <= Tolerance<R>::kElementwise * 10);
            CHECK(error_of(dterms, dterm) <= Tolerance<R>::kElementwise * 10);
            scale->backward_parameters({}, gradient.view(), nullptr, only.data());
            CHECK(memory_of(only) == memory_of(dterms));
        }
}

TEMPLATE_TEST_CASE("PReLU is that of the CPU, with a slope per channel and with one", "[cuda]", float, double, bfloat16,
                   float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts)
            for (const bool shared : {false, true}) {
                const TensorSpec spec{shape, layout};
                INFO(to_string(spec));
                const std::int64_t slopes = shared ? 1 : shape[1];
                const Tensor<R, Cpu> x = random_in<T>(shape, 1), dy = random_in<T>(shape, 2);
                const Tensor<R, Cpu> slope = random_tensor<R>({slopes}, 3);
                const Tensor<T, Device> in = sent_as<Device, T>(x, layout), gradient = sent_as<Device, T>(dy, layout);
                const Tensor<R, Device> on_device = sent<Device>(slope);
                const auto reference = ops::make_prelu<R, Cpu>(x.spec(), shared);
                const auto prelu = bodies::make_prelu<T, Device>(spec, shared);
                Tensor<R, Cpu> y(shape), dx(shape), dslope(Shape{slopes});
                Tensor<T, Device> out = garbage<T, Device>(spec), to = garbage<T, Device>(spec);
                Tensor<R, Device> sums(Shape{slopes});
                reference->forward(x.view(), slope.data(), y.view());
                prelu->forward(in.view(), on_device.data(), out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
                reference->backward_data(x.view(), slope.data(), dy.view(), dx.view());
                prelu->backward_data(in.view(), on_device.data(), gradient.view(), to.view());
                CHECK(same_bits(to, dx));
                reference->backward_parameters(x.view(), dy.view(), dslope.data());
                prelu->backward_parameters(in.view(), gradient.view(), sums.data());
                CHECK(error_of(sums, dslope) <= Tolerance<R>::kElementwise * 10);
            }
}

TEMPLATE_TEST_CASE("batch norm is that of the reference, also in place", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    constexpr double kBound = Tolerance<T>::kElementwise * 10;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts)
            for (const bool of_batch : {true, false}) {
                const TensorSpec spec{shape, layout};
                INFO(to_string(spec));
                const std::int64_t channels = shape[1];
                Tensor<R, Cpu> x = random_in<T>(shape, 1);
                for (R& value : x.storage()) value = R(3) * value + R(5);
                round_to<T>(x);
                const Tensor<R, Cpu> dy = random_in<T>(shape, 2), mean = random_in<T>({channels}, 3);
                Tensor<R, Cpu> variance = random_in<T>({channels}, 4), count(Shape{1}), y(shape), dx(shape);
                for (R& value : variance.storage()) value += R(1.5);
                count.data()[0] = R(2.5);
                const Tensor<R, Device> means = sent<Device>(mean), variances = sent<Device>(variance);
                const Tensor<R, Device> counts = sent<Device>(count);
                const Tensor<T, Device> gradient = sent_as<Device, T>(dy, layout);
                ops::reference::ReferenceBatchNorm<R> reference(1e-5, x.spec());
                const auto norm = bodies::make_batch_norm<T, Device>(1e-5, spec);
                Tensor<T, Device> out = sent_as<Device, T>(x, layout), slope = sent_as<Device, T>(dy, layout);
                if (of_batch) {
                    reference.forward(x.view(), y.view());
                    norm->forward(out.view(), out.view());
                    Tensor<R, Cpu> measured(Shape{2 * channels + 1});
                    Tensor<R, Device> on_device(measured.spec());
                    R *first = measured.data(), *device_first = on_device.data();
                    reference.measured(first, first + channels, first + 2 * channels);
                    norm->measured(device_first, device_first + channels, device_first + 2 * channels);
                    CHECK(error_of(on_device, measured) <= Tolerance<R>::kElementwise * 10);
                } else {
                    reference.forward_with({mean.data(), variance.data(), count.data()}, x.view(), y.view());
                    norm->forward_with({means.data(), variances.data(), counts.data()}, out.view(), out.view());
                }
                // A channel of one element has its mean as its value: both are zero but for rounding.
                if (shape[0] * shape.count_from(2) > 1 || !of_batch) CHECK(error_of(out, y) <= kBound);
                CHECK(padding_is_zero(out));
                round_to<T>(y);
                const Tensor<T, Device> same_y = sent_as<Device, T>(y, layout);
                reference.backward(y.view(), dy.view(), dx.view());
                norm->backward(same_y.view(), slope.view(), slope.view());
                if (shape[0] * shape.count_from(2) > 1 || !of_batch) CHECK(error_of(slope, dx) <= 10 * kBound);
                CHECK(padding_is_zero(slope));
            }
}

}  // namespace firecaffe::testing
