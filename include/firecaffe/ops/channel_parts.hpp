// SPDX-License-Identifier: Apache-2.0
// The channels of a tensor that is channels last, cut into parts, and parts put together. A part may be a tensor of its
// own, or a slice: some neighbouring channels of another tensor that is channels last, where they lie.
#pragma once

#include <cstdint>
#include <span>

#include "firecaffe/core/half.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::ops {

/// Parts that may be cut at once.
inline constexpr std::size_t kMostChannelParts = 8;

/// `channels` neighbouring elements for each pixel, and `pitch` from one pixel to the next.
template <class T>
struct ChannelPart {
    T* data = nullptr;
    std::int64_t channels = 0, pitch = 0;
    const T* outputs = nullptr;  ///< for join_channels: lies as data does
};

/// parts[k] = the channels of `whole` behind those of the parts before it, unless its data is null. `whole` has
/// `pixels` times as many elements as the parts have channels. Throws UsageError for no part, too many, or a pitch that
/// is less than the channels.
template <class T, class Device>
void split_channels(const T* whole, std::int64_t pixels, std::span<const ChannelPart<T>> parts);

/// The way back; channels of a part without data stay as they are. Of a part with outputs it takes zero where the
/// output is not positive: so gradients with respect to outputs of a ReLU become those with respect to its inputs, with
/// the bits of relu_backward.
template <class T, class Device>
void join_channels(std::span<const ChannelPart<const T>> parts, std::int64_t pixels, T* whole);

// What the library ships: a CPU has other layouts.
#define FIRECAFFE_DECLARE_CHANNEL_PARTS(T)                                                 \
    template <>                                                                            \
    void split_channels<T, Cuda>(const T*, std::int64_t, std::span<const ChannelPart<T>>); \
    template <>                                                                            \
    void join_channels<T, Cuda>(std::span<const ChannelPart<const T>>, std::int64_t, T*);

FIRECAFFE_DECLARE_CHANNEL_PARTS(float)
FIRECAFFE_DECLARE_CHANNEL_PARTS(double)
FIRECAFFE_DECLARE_CHANNEL_PARTS(bfloat16)
FIRECAFFE_DECLARE_CHANNEL_PARTS(float16)
#undef FIRECAFFE_DECLARE_CHANNEL_PARTS

}  // namespace firecaffe::ops
