// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/activation.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("relu, sums and copies have the bits of the reference", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const std::int64_t count : {0, 1, 255, 1000, 70001})
        for (const T slope : {T(0), T(0.25)}) {
            Tensor<T, Cpu> x = random_tensor<T>({count}, 1), y(x.shape());
            const Tensor<T, Cpu> dy = random_tensor<T>({count}, 2);
            if (count > 2) x.data()[2] = std::numeric_limits<T>::quiet_NaN();
            const Tensor<T, Device> on_device = sent<Device>(x), gradient = sent<Device>(dy);
            Tensor<T, Device> result = garbage<T, Device>(x.spec());

            ops::reference::relu_forward<T>(x.storage(), y.storage(), slope);
            bodies::relu_forward<T, Device>(on_device.storage(), result.storage(), slope);
            CHECK(same_bits(result, y));

            Tensor<T, Cpu> dx(x.shape());
            ops::reference::relu_backward<T>(y.storage(), dy.storage(), dx.storage(), slope);
            Tensor<T, Device> in_place = sent<Device>(dy);
            bodies::relu_backward<T, Device>(result.storage(), gradient.storage(), in_place.storage(), slope);
            CHECK(same_bits(in_place, dx));

            ops::reference::accumulate<T>(dy.storage(), dx.storage());
            bodies::accumulate<T, Device>(gradient.storage(), in_place.storage());
            CHECK(same_bits(in_place, dx));
            bodies::copy<T, Device>(gradient.storage(), in_place.storage());
            CHECK(same_bits(in_place, dy));
            bodies::clear<T, Device>(in_place.storage());
            CHECK(same_bits(in_place, Tensor<T, Cpu>(x.shape())));
        }
    Tensor<T, Device> five(Shape{5}), six(Shape{6});
    CHECK_THROWS_AS((bodies::copy<T, Device>(five.storage(), six.storage())), ShapeError);
}

TEMPLATE_TEST_CASE("smooth activations are those of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    constexpr double kBound = 4 * Tolerance<T>::kElementwise;
    const Tensor<T, Cpu> x = random_tensor<T>({5000}, 3), dy = random_tensor<T>({5000}, 4);
    const Tensor<T, Device> in = sent<Device>(x), gradient = sent<Device>(dy);
    Tensor<T, Cpu> y(x.shape()), dx(x.shape());
    const auto check = [&](auto forward, auto backward, auto device_forward, auto device_backward, bool of_output) {
        Tensor<T, Device> result = garbage<T, Device>(x.spec()), slope = garbage<T, Device>(x.spec());
        forward(std::span<const T>(x.storage()), y.storage());
        device_forward(in.storage(), result.storage());
        CHECK(error_of(result, y) <= kBound);
        // Of the same values, so that this is the error of one function.
        const Tensor<T, Device> value = sent<Device>(of_output ? y : x);
        backward(std::span<const T>(of_output ? y.storage() : x.storage()), std::span<const T>(dy.storage()),
                 dx.storage());
        device_backward(value.storage(), gradient.storage(), slope.storage());
        CHECK(error_of(slope, dx) <= kBound);
    };
    check(ops::sigmoid_forward<T, Cpu>, ops::sigmoid_backward<T, Cpu>, bodies::sigmoid_forward<T, Device>,
          bodies::sigmoid_backward<T, Device>, true);
    check(ops::tanh_forward<T, Cpu>, ops::tanh_backward<T, Cpu>, bodies::tanh_forward<T, Device>,
          bodies::tanh_backward<T, Device>, true);
    using In = std::span<const T>;
    using Out = std::span<T>;
    const T alpha = T(0.7);
    check([&](In a, Out b) { ops::elu_forward<T, Cpu>(a, b, alpha); },
          [&](In a, In b, Out c) { ops::elu_backward<T, Cpu>(a, b, c, alpha); },
          [&](In a, Out b) { bodies::elu_forward<T, Device>(a, b, alpha); },
          [&](In a, In b, Out c) { bodies::elu_backward<T, Device>(a, b, c, alpha); }, true);
    for (const ops::PowerParameters& p :
         {ops::PowerParameters{0, 2, 3}, {1, 2, 3}, {2, 2, 3}, {3, 1.5, 2}, {0.5, 1, 2}, {2.5, 0, 2}})
        check([&](In a, Out b) { ops::power_forward<T, Cpu>(a, b, p); },
              [&](In a, In b, Out c) { ops::power_backward<T, Cpu>(a, b, c, p); },
              [&](In a, Out b) { bodies::power_forward<T, Device>(a, b, p); },
              [&](In a, In b, Out c) { bodies::power_backward<T, Device>(a, b, c, p); }, false);

    Tensor<T, Device> padded = garbage<T, Device>({{2, 5, 3, 3}, Layout::blocked(8)});
    bodies::clear_padding<T, Device>(padded.view());
    CHECK(padding_is_zero(padded));
    CHECK(received(padded).data()[0] == T(-12345));
}

TEMPLATE_TEST_CASE("dropout drops the very elements that the CPU drops, in every layout", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const Shape shapes[] = {{2, 16, 5, 5}, {3, 3, 4, 7}, {2, 21, 3, 3}, {300, 5}, {2, 1001}, {0, 4, 2, 2}};
    for (const Shape& shape : shapes)
        for (const Layout& layout : kLayouts) {
            const Tensor<T, Cpu> x = random_tensor<T>(shape, 5);
            std::vector<std::uint64_t> samples;
            for (std::int64_t n = 0; n < shape[0]; ++n) samples.push_back(1000003u * static_cast<std::uint64_t>(n) + 5);
            const ops::DropoutKey key{11, 22, 33, samples};
            Tensor<T, Cpu> y(shape);
            ops::reference::dropout<T>(x.view(), y.view(), key, 0.4);
            Tensor<T, Device> in_place = sent<Device>(x, layout);
            bodies::dropout<T, Device>(in_place.view(), in_place.view(), key, 0.4);
            INFO(to_string(in_place.spec()));
            CHECK(same_bits(in_place, y));
            CHECK(padding_is_zero(in_place));
        }
}

}  // namespace firecaffe::testing
