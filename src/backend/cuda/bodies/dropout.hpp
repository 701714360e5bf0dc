// SPDX-License-Identifier: Apache-2.0
// Dropout by Philox, with the mask of ops/dropout.hpp bit for bit. A thread draws one block of four numbers and treats
// the four channels at one position that they are for.
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/ops/dropout.hpp"
#include "firecaffe/ops/shapes.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::cuda {

/// The streams of some samples, small enough to travel among a kernel's arguments: there is nothing to copy before.
struct SampleStreams {
    static constexpr std::int64_t kMost = 128;

    std::uint32_t key[kMost][2], name[kMost][2];

    SampleStreams(const ops::DropoutKey& dropout, std::int64_t first, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
            const RandomStream stream = ops::dropout_stream(dropout, static_cast<std::size_t>(first + i));
            for (std::size_t word = 0; word < 2; ++word) {
                key[i][word] = stream.key()[word];
                name[i][word] = stream.name()[word];
            }
        }
    }

    /// RandomStream::block.
    FIRECAFFE_HOST_DEVICE RandomBlock block(std::int64_t sample, std::int64_t index) const {
        const auto counter = static_cast<std::uint64_t>(index);
        return philox4x32({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                           name[sample][0], name[sample][1]},
                          {key[sample][0], key[sample][1]});
    }
};

template <class T, class Device>
void dropout(TensorView<const T, Device> x, TensorView<T, Device> y, const ops::DropoutKey& key, double ratio) {
    ops::require_dropout(x.spec(), y.spec(), key, ratio);
    const std::uint32_t threshold = ops::dropout_threshold(ratio);
    const Real<T> scale = static_cast<Real<T>>(1.0 / (1.0 - ratio));
    const Indexing index(x.spec());
    const T* from = x.data();
    T* to = y.data();
    const std::int64_t batch = index.batch(), channels = index.channels(), stored = index.stored_channels();
    const std::int64_t quads = (channels + 3) / 4, stored_quads = (stored + 3) / 4;
    // Neighbouring threads take neighbouring elements: positions where these lie side by side, else channels.
    const bool plain = x.layout().is_plain();
    const Divisor inner(plain ? index.positions() : stored_quads), outer(plain ? stored_quads : index.positions());
    // The four channels of a draw lie side by side, and begin where all of them can be moved at once.
    const bool packed = index.has_packs<4>() && is_aligned<4>(from) && is_aligned<4>(to);
    for (std::int64_t first = 0; first < batch; first += SampleStreams::kMost) {
        const std::int64_t samples = batch - first < SampleStreams::kMost ? batch - first : SampleStreams::kMost;
        const SampleStreams streams(key, first, samples);
        Launch<Device>::for_each(samples * index.positions() * stored_quads, [=] FIRECAFFE_KERNEL(std::int64_t i) {
            const Split by_inner = split(i, inner);
            const Split by_outer = split(by_inner.quotient, outer);
            const std::int64_t s = plain ? by_inner.remainder : by_outer.remainder;
            const std::int64_t quad = plain ? by_outer.remainder : by_inner.remainder;
            const RandomBlock random = streams.block(by_outer.quotient, s * quads + quad);
            if (packed && 4 * quad < channels) {
                const std::int64_t place = index(first + by_outer.quotient, 4 * quad, s);
                Pack<T, 4> values = load<4>(from + place);
                for (int k = 0; k < 4; ++k)
                    values[k] = random[static_cast<std::size_t>(k)] >= threshold ? values[k] * scale : Real<T>(0);
                return store(values, to + place);
            }
            for (std::int64_t k = 0; k < 4; ++k) {
                const std::int64_t c = 4 * quad + k;
                if (c >= stored) break;
                const std::int64_t place = index(first + by_outer.quotient, c, s);
                const bool kept = c < channels && random[static_cast<std::size_t>(k)] >= threshold;
                to[place] = kept ? rounded<T>(real(from[place]) * scale) : T(0);
            }
        });
    }
}

}  // namespace firecaffe::cuda
