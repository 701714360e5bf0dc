// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/channel_parts.hpp"

namespace firecaffe::testing {

TEMPLATE_TEST_CASE("channels go to tensors of their own and to slices, and come back through a ReLU", "[cuda]", float,
                   double, bfloat16, float16) {
    if (!ready()) return;
    using T = TestType;
    constexpr std::int64_t kPixels = 37;
    // Channels of the whole from which the part comes, and of the tensor in which it lies from `offset` on.
    struct Place {
        std::int64_t channels, pitch, offset;
    };
    const std::vector<Place> cases[] = {
        {{16, 16, 0}},
        {{8, 40, 16}},
        {{16, 16, 0}, {24, 64, 8}, {8, 8, 0}},
        {{5, 5, 0}, {3, 11, 2}, {8, 8, 0}},
        {{1, 1, 0}, {2, 3, 1}, {3, 3, 0}, {4, 9, 2}, {5, 5, 0}, {6, 6, 0}, {7, 7, 0}, {8, 16, 8}},
        {{16, 24, 4}, {16, 16, 0}},  // which does not begin where a pack may
    };
    for (const std::vector<Place>& places : cases)
        for (const bool relu : {false, true}) {
            std::int64_t channels = 0;
            for (const Place& place : places) channels += place.channels;
            INFO(places.size() << " parts, " << channels << " channels, relu " << relu);
            const Tensor<Master<T>, Cpu> numbers = random_in<T>({kPixels, channels}, 1);
            const Tensor<T, Device> whole = sent_as<Device, T>(numbers);
            std::vector<Tensor<T, Device>> tensors, outputs;
            std::vector<ops::ChannelPart<T>> parts;
            std::vector<ops::ChannelPart<const T>> read;
            for (const Place& place : places) {
                tensors.push_back(garbage<T, Device>({Shape{kPixels * place.pitch}, {}}));
                outputs.push_back(sent_as<Device, T>(random_in<T>({kPixels * place.pitch}, 2 + tensors.size())));
                parts.push_back({tensors.back().data() + place.offset, place.channels, place.pitch});
                read.push_back({parts.back().data, place.channels, place.pitch,
                                relu ? outputs.back().data() + place.offset : nullptr});
            }
            bodies::split_channels<T, Device>(whole.data(), kPixels, parts);
            std::int64_t first = 0;
            const std::vector<T> given = memory_of(whole);
            std::vector<T> expected = given;
            for (std::size_t k = 0; k < places.size(); ++k) {
                const auto [count, pitch, offset] = places[k];
                const std::vector<T> found = memory_of(tensors[k]), masks = memory_of(outputs[k]);
                bool right = true;
                for (std::int64_t i = 0; i < std::ssize(found); ++i) {
                    const std::int64_t pixel = i / pitch, channel = i % pitch - offset;
                    const bool is_own = channel >= 0 && channel < count;
                    const auto at = static_cast<std::size_t>(is_own ? pixel * channels + first + channel : 0);
                    const auto here = static_cast<std::size_t>(i);
                    right = right && found[here] == (is_own ? given[at] : T(kGarbage));
                    if (is_own && relu && !(static_cast<Master<T>>(masks[here]) > 0)) expected[at] = T(0);
                }
                CHECK(right);
                first += count;
            }
            Tensor<T, Device> joined = garbage<T, Device>(whole.spec());
            bodies::join_channels<T, Device>(read, kPixels, joined.data());
            CHECK(memory_of(joined) == expected);
            read.front().data = parts.front().data = nullptr;  // then it is left out
            for (std::int64_t i = 0; i < std::ssize(expected); ++i)
                if (i % channels < places.front().channels) expected[static_cast<std::size_t>(i)] = T(kGarbage);
            joined = garbage<T, Device>(whole.spec());
            bodies::join_channels<T, Device>(read, kPixels, joined.data());
            CHECK(memory_of(joined) == expected);
            const std::vector<T> before = memory_of(tensors.front());
            bodies::split_channels<T, Device>(joined.data(), kPixels, parts);
            CHECK(memory_of(tensors.front()) == before);
        }
    Tensor<T, Device> one(Shape{4});
    const std::vector<ops::ChannelPart<T>> none, many(9, {one.data(), 1, 1}), crossing{{one.data(), 2, 1}};
    for (const auto* wrong : {&none, &many, &crossing})
        CHECK_THROWS_AS((bodies::split_channels<T, Device>(one.data(), 1, *wrong)), UsageError);
}

}  // namespace firecaffe::testing
