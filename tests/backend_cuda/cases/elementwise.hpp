// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/activation.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("relu, sums and copies have the bits of the reference", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    for (const std::int64_t count : {0, 1, 255, 1000, 70001})
        for (const R slope : {R(0), R(0.25)}) {
            Tensor<R, Cpu> x = random_in<T>({count}, 1), y(x.shape());
            const Tensor<R, Cpu> dy = random_in<T>({count}, 2);
            if (count > 2) x.data()[2] = std::numeric_limits<R>::quiet_NaN();
            const Tensor<T, Device> on_device = sent_as<Device, T>(x), gradient = sent_as<Device, T>(dy);
            Tensor<T, Device> result = garbage<T, Device>(x.spec());

            ops::reference::relu_forward<R>(x.storage(), y.storage(), slope);
            bodies::relu_forward<T, Device>(on_device.storage(), result.storage(), slope);
            CHECK(same_bits(result, y));

            Tensor<R, Cpu> dx(x.shape());
            ops::reference::relu_backward<R>(y.storage(), dy.storage(), dx.storage(), slope);
            Tensor<T, Device> in_place = sent_as<Device, T>(dy);
            bodies::relu_backward<T, Device>(result.storage(), gradient.storage(), in_place.storage(), slope);
            CHECK(same_bits(in_place, dx));

            ops::reference::accumulate<R>(dy.storage(), dx.storage());
            bodies::accumulate<T, Device>(gradient.storage(), in_place.storage());
            CHECK(same_bits(in_place, dx));
            bodies::copy<T, Device>(gradient.storage(), in_place.storage());
            CHECK(same_bits(in_place, dy));
            if (count > 1) {  // packs begin nowhere here
                const auto behind_first = [](auto span) { return span.subspan(1); };
                bodies::relu_backward<T, Device>(behind_first(result.storage()), behind_first(gradient.storage()),
                                                 behind_first(in_place.storage()), slope);
                ops::reference::relu_backward<R>(behind_first(y.storage()), behind_first(dy.storage()),
                                                 behind_first(dx.storage()), slope);
                dx.data()[0] = dy.data()[0];
                CHECK(same_bits(in_place, dx));
            }
            bodies::clear<T, Device>(in_place.storage());
            CHECK(same_bits(in_place, Tensor<R, Cpu>(x.shape())));
        }
    Tensor<T, Device> five(Shape{5}), six(Shape{6});
    CHECK_THROWS_AS((bodies::copy<T, Device>(five.storage(), six.storage())), ShapeError);
}

TEMPLATE_TEST_CASE("smooth activations are those of the CPU", "[cuda]", float, double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    constexpr double kBound = 4 * Tolerance<T>::kElementwise;
    const Tensor<R, Cpu> x = random_in<T>({5000}, 3), dy = random_in<T>({5000}, 4);
    const Tensor<T, Device> in = sent_as<Device, T>(x), gradient = sent_as<Device, T>(dy);
    Tensor<R, Cpu> y(x.shape()), dx(x.shape());
    const auto check = [&](auto forward, auto backward, auto device_forward, auto device_backward, bool of_output) {
        Tensor<T, Device> result = garbage<T, Device>(x.spec()), slope = garbage<T, Device>(x.spec());
        forward(std::span<const R>(x.storage()), y.storage());
        device_forward(in.storage(), result.storage());
        CHECK(error_of(result, y) <= kBound);
        round_to<T>(y);
        // Of the same values, so that this is the error of one function.
        const Tensor<T, Device> value = sent_as<Device, T>(of_output ? y : x);
        backward(std::span<const R>(of_output ? y.storage() : x.storage()), std::span<const R>(dy.storage()),
                 dx.storage());
        device_backward(value.storage(), gradient.storage(), slope.storage());
        CHECK(error_of(slope, dx) <= kBound);
    };
    check(ops::sigmoid_forward<R, Cpu>, ops::sigmoid_backward<R, Cpu>, bodies::sigmoid_forward<T, Device>,
          bodies::sigmoid_backward<T, Device>, true);
    check(ops::tanh_forward<R, Cpu>, ops::tanh_backward<R, Cpu>, bodies::tanh_forward<T, Device>,
          bodies::tanh_backward<T, Device>, true);
    using HostIn = std::span<const R>;
    using HostOut = std::span<R>;
    using In = std::span<const T>;
    using Out = std::span<T>;
    const R alpha = R(0.7);
    check([&](HostIn a, HostOut b) { ops::elu_forward<R, Cpu>(a, b, alpha); },
          [&](HostIn a, HostIn b, HostOut c) { ops::elu_backward<R, Cpu>(a, b, c, alpha); },
          [&](In a, Out b) { bodies::elu_forward<T, Device>(a, b, alpha); },
          [&](In a, In b, Out c) { bodies::elu_backward<T, Device>(a, b, c, alpha); }, true);
    for (const ops::PowerParameters& p :
         {ops::PowerParameters{0, 2, 3}, {1, 2, 3}, {2, 2, 3}, {3, 1.5, 2}, {0.5, 1, 2}, {2.5, 0, 2}})
        check([&](HostIn a, HostOut b) { ops::power_forward<R, Cpu>(a, b, p); },
              [&](HostIn a, HostIn b, HostOut c) { ops::power_backward<R, Cpu>(a, b, c, p); },
              [&](In a, Out b) { bodies::power_forward<T, Device>(a, b, p); },
              [&](In a, In b, Out c) { bodies::power_backward<T, Device>(a, b, c, p); }, false);

    Tensor<T, Device> padded = garbage<T, Device>({{2, 5, 3, 3}, Layout::blocked(8)});
    bodies::clear_padding<T, Device>(padded.view());
    CHECK(padding_is_zero(padded));
    CHECK(received(padded).data()[0] == R(kGarbage));
}

TEMPLATE_TEST_CASE("numbers are rounded to two bytes, and back", "[cuda]", bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    Tensor<T, Cpu> all(Shape{65536});
    for (std::size_t i = 0; i < 65536; ++i) all.storage()[i] = T::of_bits(static_cast<std::uint16_t>(i));
    Tensor<T, Device> narrow(all.spec());
    copy_bytes(all.data(), Cpu{}, narrow.data(), Device{}, all.storage().size_bytes());
    Tensor<float, Device> wide = garbage<float, Device>(all.spec());
    bodies::convert<T, float, Device>(narrow.storage(), wide.storage());
    Tensor<float, Cpu> expected(all.spec());
    for (std::size_t i = 0; i < 65536; ++i) expected.storage()[i] = static_cast<float>(all.storage()[i]);
    CHECK(same_bits(narrow, expected));
    const std::vector<float> widened = memory_of(wide);
    for (std::size_t i = 0; i < 65536; ++i)
        if (!(widened[i] == expected.storage()[i]) && !(std::isnan(widened[i]) && std::isnan(expected.storage()[i])))
            FAIL("pattern " << i << " became " << widened[i]);

    // Neighbours of each number, and what lies between: as the host rounds them.
    Tensor<float, Cpu> between(Shape{65536 * 5 + 3});
    for (std::size_t i = 0; i < between.storage().size(); ++i) {
        const std::uint32_t low[] = {0, 1, 0x7fff, 0x8000, 0xf001};
        between.storage()[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i / 5) << 16 | low[i % 5]);
    }
    const Tensor<float, Device> numbers = sent<Device>(between);
    Tensor<T, Device> rounded = garbage<T, Device>(between.spec());
    bodies::convert<float, T, Device>(numbers.storage(), rounded.storage());
    CHECK(same_bits(rounded, between));
}

TEMPLATE_TEST_CASE("dropout drops the very elements that the CPU drops, in every layout", "[cuda]", float, double,
                   bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    using R = Master<T>;
    const Shape shapes[] = {{2, 16, 5, 5}, {3, 3, 4, 7}, {2, 21, 3, 3}, {300, 5}, {2, 1001}, {0, 4, 2, 2}};
    for (const Shape& shape : shapes)
        for (const Layout& layout : kLayouts) {
            const Tensor<R, Cpu> x = random_in<T>(shape, 5);
            std::vector<std::uint64_t> samples;
            for (std::int64_t n = 0; n < shape[0]; ++n) samples.push_back(1000003u * static_cast<std::uint64_t>(n) + 5);
            const ops::DropoutKey key{11, 22, 33, samples};
            Tensor<R, Cpu> y(shape);
            ops::reference::dropout<R>(x.view(), y.view(), key, 0.4);
            Tensor<T, Device> in_place = sent_as<Device, T>(x, layout);
            bodies::dropout<T, Device>(in_place.view(), in_place.view(), key, 0.4);
            INFO(to_string(in_place.spec()));
            CHECK(same_bits(in_place, y));
            CHECK(padding_is_zero(in_place));
        }
}

}  // namespace firecaffe::testing
