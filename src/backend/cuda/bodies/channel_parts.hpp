// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/channel_parts.hpp. A thread moves one pack of channels of one pixel, or nothing where a part has no
// data.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/channel_parts.hpp"

namespace firecaffe::cuda {

/// The parts as they travel among a kernel's arguments. P is T, or const T.
template <class P>
struct ChannelTable {
    struct Part {
        ops::ChannelPart<P> lies;
        std::int64_t first;
    };
    Part parts[ops::kMostChannelParts];
    int count;
    std::int64_t channels;  ///< of all

    explicit ChannelTable(std::span<const ops::ChannelPart<P>> given) : parts{}, count(0), channels(0) {
        if (given.empty() || given.size() > ops::kMostChannelParts)
            throw UsageError("channels in ", given.size(), " parts; there may be 1 to ", ops::kMostChannelParts);
        for (const ops::ChannelPart<P>& part : given) {
            if (part.channels < 0 || part.pitch < part.channels)
                throw UsageError("a part of ", part.channels, " channels every ", part.pitch,
                                 " elements; pixels may not overlap");
            parts[count++] = {part, channels};
            channels += part.channels;
        }
    }

    /// The part that has a channel.
    FIRECAFFE_HOST_DEVICE Part of(std::int64_t channel) const {
        Part found = parts[0];
        FIRECAFFE_UNROLL
        for (int k = 1; k < static_cast<int>(ops::kMostChannelParts); ++k) {
            if (k == count) break;
            if (channel >= parts[k].first) found = parts[k];
        }
        return found;
    }

    /// Whether packs of N channels lie whole in one part, where a thread may move them at once.
    template <int N>
    bool has_packs() const {
        bool has = true;
        for (int k = 0; k < count; ++k) {
            const ops::ChannelPart<P>& part = parts[k].lies;
            has = has && part.channels % N == 0 && part.pitch % N == 0 && is_aligned<N>(part.data) &&
                  is_aligned<N>(part.outputs);
        }
        return has;
    }
};

/// Pack number i: its pixel, and its number in there. In 32 bits, where those are enough.
template <bool Small>
FIRECAFFE_HOST_DEVICE Split pixel_of(std::int64_t i, const Divisor& by_packs) {
    if constexpr (Small) {
        const SmallSplit place = small_split(static_cast<std::int32_t>(i), by_packs);
        return {place.quotient, place.remainder};
    } else {
        return split(i, by_packs);
    }
}

template <int N, bool Small, class Device, class T>
void split_packs(const T* whole, std::int64_t pixels, const ChannelTable<T>& table) {
    const Divisor by_packs(table.channels / N);
    Launch<Device>::for_each(pixels * (table.channels / N), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split place = pixel_of<Small>(i, by_packs);
        const std::int64_t channel = place.remainder * N;
        const auto part = table.of(channel);
        if (part.lies.data == nullptr) return;
        put_bytes(bytes_at<N>(whole + i * N), part.lies.data + place.quotient * part.lies.pitch + channel - part.first);
    });
}

template <int N, bool Small, class Device, class T>
void join_packs(const ChannelTable<const T>& table, std::int64_t pixels, T* whole) {
    const Divisor by_packs(table.channels / N);
    Launch<Device>::for_each(pixels * (table.channels / N), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split place = pixel_of<Small>(i, by_packs);
        const std::int64_t channel = place.remainder * N;
        const auto part = table.of(channel);
        if (part.lies.data == nullptr) return;
        const std::int64_t from = place.quotient * part.lies.pitch + channel - part.first;
        PackedBytes<T, N> pack = bytes_at<N>(part.lies.data + from);
        if (part.lies.outputs != nullptr) {
            const PackedBytes<T, N> outputs = bytes_at<N>(part.lies.outputs + from);
            for (int k = 0; k < N; ++k)
                if (!(real(outputs.elements[k]) > 0)) pack.elements[k] = T(0);
        }
        put_bytes(pack, whole + i * N);
    });
}

/// Calls run<N, Small>() with what fits.
template <class T, class Run>
void with_packs(bool can_pack, std::int64_t elements, const Run& run) {
    const bool small = elements < std::int64_t{1} << 31;
    if (can_pack)
        small ? run.template operator()<kPack<T>, true>() : run.template operator()<kPack<T>, false>();
    else
        small ? run.template operator()<1, true>() : run.template operator()<1, false>();
}

template <class T, class Device>
void split_channels(const T* whole, std::int64_t pixels, std::span<const ops::ChannelPart<T>> parts) {
    const ChannelTable<T> table(parts);
    const bool can_pack = table.template has_packs<kPack<T>>() && is_aligned<kPack<T>>(whole);
    with_packs<T>(can_pack, pixels * table.channels,
                  [&]<int N, bool Small>() { split_packs<N, Small, Device>(whole, pixels, table); });
}

template <class T, class Device>
void join_channels(std::span<const ops::ChannelPart<const T>> parts, std::int64_t pixels, T* whole) {
    const ChannelTable<const T> table(parts);
    const bool can_pack = table.template has_packs<kPack<T>>() && is_aligned<kPack<T>>(whole);
    with_packs<T>(can_pack, pixels * table.channels,
                  [&]<int N, bool Small>() { join_packs<N, Small, Device>(table, pixels, whole); });
}

}  // namespace firecaffe::cuda
