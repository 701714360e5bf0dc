// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/prelu.hpp"
#include "firecaffe/ops/reference/batch_norm.hpp"
#include "firecaffe/ops/reference/scale.hpp"

namespace firecaffe::testing {

inline const Shape kChannelShapes[] = {{3, 5, 4, 7}, {2, 16, 9, 9}, {70, 3}, {1, 9, 1, 1}, {2, 4, 3, 2, 2}};

TEMPLATE_TEST_CASE("scale is that of the reference", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts) {
            const TensorSpec spec{shape, layout};
            INFO(to_string(spec));
            const std::int64_t channels = shape[1];
            const Tensor<T, Cpu> x = random_tensor<T>(shape, 1), dy = random_tensor<T>(shape, 2);
            const Tensor<T, Cpu> factor = random_tensor<T>({channels}, 3), term = random_tensor<T>({channels}, 4);
            const Tensor<T, Device> factors = sent<Device>(factor), terms = sent<Device>(term);
            const Tensor<T, Device> in = sent<Device>(x, layout), gradient = sent<Device>(dy, layout);
            ops::reference::ReferenceScale<T> reference(x.spec());
            const auto scale = bodies::make_scale<T, Device>(spec);
            Tensor<T, Cpu> y(shape), dfactor(Shape{channels}), dterm(Shape{channels});
            for (const int which : {0, 1, 2, 3}) {
                Tensor<T, Device> out = garbage<T, Device>(spec);
                reference.forward(x.view(), which & 1 ? factor.data() : nullptr, which & 2 ? term.data() : nullptr,
                                  y.view());
                scale->forward(in.view(), which & 1 ? factors.data() : nullptr, which & 2 ? terms.data() : nullptr,
                               out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
            }
            Tensor<T, Device> slope = sent<Device>(dy, layout);
            reference.backward_data(dy.view(), factor.data(), y.view());
            scale->backward_data(slope.view(), factors.data(), slope.view());
            CHECK(same_bits(slope, y));
            Tensor<T, Device> dfactors(Shape{channels}), dterms(Shape{channels}), only(Shape{channels});
            reference.backward_parameters(x.view(), dy.view(), dfactor.data(), dterm.data());
            scale->backward_parameters(in.view(), gradient.view(), dfactors.data(), dterms.data());
            CHECK(error_of(dfactors, dfactor) <= Tolerance<T>::kElementwise * 10);
            CHECK(error_of(dterms, dterm) <= Tolerance<T>::kElementwise * 10);
            scale->backward_parameters({}, gradient.view(), nullptr, only.data());
            CHECK(memory_of(only) == memory_of(dterms));
        }
}

TEMPLATE_TEST_CASE("PReLU is that of the CPU, with a slope per channel and with one", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts)
            for (const bool shared : {false, true}) {
                const TensorSpec spec{shape, layout};
                INFO(to_string(spec));
                const std::int64_t slopes = shared ? 1 : shape[1];
                const Tensor<T, Cpu> x = random_tensor<T>(shape, 1), dy = random_tensor<T>(shape, 2);
                const Tensor<T, Cpu> slope = random_tensor<T>({slopes}, 3);
                const Tensor<T, Device> in = sent<Device>(x, layout), gradient = sent<Device>(dy, layout);
                const Tensor<T, Device> on_device = sent<Device>(slope);
                const auto reference = ops::make_prelu<T, Cpu>(x.spec(), shared);
                const auto prelu = bodies::make_prelu<T, Device>(spec, shared);
                Tensor<T, Cpu> y(shape), dx(shape), dslope(Shape{slopes});
                Tensor<T, Device> out = garbage<T, Device>(spec), to = garbage<T, Device>(spec);
                Tensor<T, Device> sums(Shape{slopes});
                reference->forward(x.view(), slope.data(), y.view());
                prelu->forward(in.view(), on_device.data(), out.view());
                CHECK(same_bits(out, y));
                CHECK(padding_is_zero(out));
                reference->backward_data(x.view(), slope.data(), dy.view(), dx.view());
                prelu->backward_data(in.view(), on_device.data(), gradient.view(), to.view());
                CHECK(same_bits(to, dx));
                reference->backward_parameters(x.view(), dy.view(), dslope.data());
                prelu->backward_parameters(in.view(), gradient.view(), sums.data());
                CHECK(error_of(sums, dslope) <= Tolerance<T>::kElementwise * 10);
            }
}

TEMPLATE_TEST_CASE("batch norm is that of the reference, also in place", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    constexpr double kBound = Tolerance<T>::kElementwise * 10;
    for (const Shape& shape : kChannelShapes)
        for (const Layout& layout : kLayouts)
            for (const bool of_batch : {true, false}) {
                const TensorSpec spec{shape, layout};
                INFO(to_string(spec));
                const std::int64_t channels = shape[1];
                Tensor<T, Cpu> x = random_tensor<T>(shape, 1);
                for (T& value : x.storage()) value = T(3) * value + T(5);
                const Tensor<T, Cpu> dy = random_tensor<T>(shape, 2), mean = random_tensor<T>({channels}, 3);
                Tensor<T, Cpu> variance = random_tensor<T>({channels}, 4), count(Shape{1}), y(shape), dx(shape);
                for (T& value : variance.storage()) value += T(1.5);
                count.data()[0] = T(2.5);
                const Tensor<T, Device> means = sent<Device>(mean), variances = sent<Device>(variance);
                const Tensor<T, Device> counts = sent<Device>(count), gradient = sent<Device>(dy, layout);
                ops::reference::ReferenceBatchNorm<T> reference(1e-5, x.spec());
                const auto norm = bodies::make_batch_norm<T, Device>(1e-5, spec);
                Tensor<T, Device> out = sent<Device>(x, layout), slope = sent<Device>(dy, layout);
                if (of_batch) {
                    reference.forward(x.view(), y.view());
                    norm->forward(out.view(), out.view());
                    Tensor<T, Cpu> measured(Shape{2 * channels + 1});
                    Tensor<T, Device> on_device(measured.spec());
                    T *first = measured.data(), *device_first = on_device.data();
                    reference.measured(first, first + channels, first + 2 * channels);
                    norm->measured(device_first, device_first + channels, device_first + 2 * channels);
                    CHECK(error_of(on_device, measured) <= kBound);
                } else {
                    reference.forward_with({mean.data(), variance.data(), count.data()}, x.view(), y.view());
                    norm->forward_with({means.data(), variances.data(), counts.data()}, out.view(), out.view());
                }
                // A channel of one element has its mean as its value: both are zero but for rounding.
                if (shape[0] * shape.count_from(2) > 1 || !of_batch) CHECK(error_of(out, y) <= kBound);
                CHECK(padding_is_zero(out));
                const Tensor<T, Device> same_y = sent<Device>(y, layout);
                reference.backward(y.view(), dy.view(), dx.view());
                norm->backward(same_y.view(), slope.view(), slope.view());
                if (shape[0] * shape.count_from(2) > 1 || !of_batch) CHECK(error_of(slope, dx) <= 10 * kBound);
                CHECK(padding_is_zero(slope));
            }
}

}  // namespace firecaffe::testing
