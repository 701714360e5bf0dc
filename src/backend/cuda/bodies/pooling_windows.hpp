// SPDX-License-Identifier: Apache-2.0
// Max pooling by the windows of most nets, 3 x 3 and 2 x 2, where channels lie side by side. Kernel and stride are
// known when this is compiled, so that all loads of a thread are under way before it needs the first, no place of a
// window takes a division, and what overlapping windows share is read once.
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/best_pack.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/pack.hpp"

namespace firecaffe::cuda {

/// Planes of height x width positions with `packs` packs of channels each. All places fit in 32 bits.
struct PooledPlanes {
    std::int32_t planes, packs;
    std::int32_t in_height, in_width, out_height, out_width, pad_h, pad_w;
};

/// A thread computes `Strip` outputs, one above the other, for N channels.
template <int Kernel, int Stride, int Strip, int N, class Device, class T>
void forward_max_windows(const PooledPlanes& g, const T* x, T* y, std::uint8_t* winners) {
    constexpr int kRows = (Strip - 1) * Stride + Kernel;
    const std::int32_t strips = (g.out_height + Strip - 1) / Strip;
    const Divisor by_packs(g.packs), by_width(g.out_width), by_strips(strips);
    const std::int64_t threads = std::int64_t{1} * g.planes * strips * g.out_width * g.packs;
    Launch<Device>::for_each(threads, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const SmallSplit pack = small_split(static_cast<std::int32_t>(i), by_packs);
        const SmallSplit across = small_split(pack.quotient, by_width);
        const SmallSplit strip = small_split(across.quotient, by_strips);
        const std::int32_t column = across.remainder, first = strip.remainder * Strip, plane = strip.quotient;
        const std::int32_t top = first * Stride - g.pad_h, left = column * Stride - g.pad_w;
        const auto at = [&](std::int32_t h, std::int32_t w) {
            return x + (((plane * g.in_height + h) * g.in_width + w) * g.packs + pack.remainder) * N;
        };
        Candidates<T, N> values[kRows * Kernel];
        FIRECAFFE_UNROLL
        for (int k = 0; k < kRows * Kernel; ++k) {
            const std::int32_t h = top + k / Kernel, w = left + k % Kernel;
            const bool inside = h >= 0 && h < g.in_height && w >= 0 && w < g.in_width;
            values[k] = inside ? block_at<Candidates<T, N>>(at(h, w)) : no_candidates<T, N>();
        }
        FIRECAFFE_UNROLL
        for (int o = 0; o < Strip; ++o) {
            if (first + o >= g.out_height) continue;
            BestPack<T, N> best;
            const std::int32_t above = top + o * Stride;
            if (above >= 0 && left >= 0) {
                best.start(values[o * Stride * Kernel], 0);
            } else {  // the first place inside the image
                const std::int32_t h = above < 0 ? 0 : above, w = left < 0 ? 0 : left;
                best.start(block_at<Candidates<T, N>>(at(h, w)), (h - above) * Kernel + w - left);
            }
            FIRECAFFE_UNROLL
            for (int place = 1; place < Kernel * Kernel; ++place)
                best.offer(values[o * Stride * Kernel + place], place);
            const std::int32_t to =
                (((plane * g.out_height + first + o) * g.out_width + column) * g.packs + pack.remainder) * N;
            best.store(y + to, winners + to);
        }
    });
}

/// Adds the gradients of a window to those sums for which `place` has won.
template <class T, int N>
FIRECAFFE_HOST_DEVICE void add_won(Pack<T, N>& sums, const Pack<T, N>& gradients, const Codes<N>& codes,
                                   std::int64_t place) {
    FIRECAFFE_UNROLL
    for (int k = 0; k < N; ++k) add_won(sums[k], gradients[k], codes.elements[k / 4], k % 4, place);
}

/// A thread computes the gradients of Tile x Tile positions, which begin where a window does, for N channels; each is
/// added up in the order of y.
template <int Kernel, int Stride, int Tile, int N, class Device, class T>
void backward_max_windows(const PooledPlanes& g, const T* dy, const std::uint8_t* winners, T* dx) {
    static_assert(Tile % Stride == 0);
    constexpr int kBefore = (Kernel - 1) / Stride;     // windows that begin above a tile and reach into it
    constexpr int kWindows = kBefore + Tile / Stride;  // that have a part in it
    const std::int32_t down = (g.in_height + g.pad_h + Tile - 1) / Tile;
    const std::int32_t along = (g.in_width + g.pad_w + Tile - 1) / Tile;
    const Divisor by_packs(g.packs), by_along(along), by_down(down);
    const std::int64_t threads = std::int64_t{1} * g.planes * down * along * g.packs;
    Launch<Device>::for_each(threads, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const SmallSplit pack = small_split(static_cast<std::int32_t>(i), by_packs);
        const SmallSplit across = small_split(pack.quotient, by_along);
        const SmallSplit tile = small_split(across.quotient, by_down);
        const std::int32_t plane = tile.quotient;
        const std::int32_t top = tile.remainder * (Tile / Stride) - kBefore;
        const std::int32_t left = across.remainder * (Tile / Stride) - kBefore;
        Pack<T, N> sums[Tile * Tile] = {};
        FIRECAFFE_UNROLL
        for (int a = 0; a < kWindows; ++a) {
            PackedBytes<T, N> gradients[kWindows] = {};
            Codes<N> codes[kWindows] = {};
            FIRECAFFE_UNROLL
            for (int b = 0; b < kWindows; ++b) {
                const std::int32_t row = top + a, column = left + b;
                if (row < 0 || row >= g.out_height || column < 0 || column >= g.out_width) continue;
                const std::int32_t from =
                    (((plane * g.out_height + row) * g.out_width + column) * g.packs + pack.remainder) * N;
                gradients[b] = bytes_at<N>(dy + from);
                codes[b] = block_at<Codes<N>>(winners + from);
            }
            FIRECAFFE_UNROLL
            for (int b = 0; b < kWindows; ++b) {
                const Pack<T, N> gradient = numbers(gradients[b]);
                FIRECAFFE_UNROLL
                for (int k = 0; k < Tile * Tile; ++k) {
                    const int r = k / Tile + (kBefore - a) * Stride, c = k % Tile + (kBefore - b) * Stride;
                    if (r < 0 || r >= Kernel || c < 0 || c >= Kernel) continue;
                    add_won(sums[k], gradient, codes[b], r * Kernel + c);
                }
            }
        }
        FIRECAFFE_UNROLL
        for (int k = 0; k < Tile * Tile; ++k) {
            const std::int32_t row = tile.remainder * Tile + k / Tile - g.pad_h;
            const std::int32_t column = across.remainder * Tile + k % Tile - g.pad_w;
            if (row < 0 || row >= g.in_height || column < 0 || column >= g.in_width) continue;
            store(sums[k], dx + (((plane * g.in_height + row) * g.in_width + column) * g.packs + pack.remainder) * N);
        }
    });
}

}  // namespace firecaffe::cuda
