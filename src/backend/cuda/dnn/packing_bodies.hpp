// SPDX-License-Identifier: Apache-2.0
// The bodies of packing.hpp, generic in the device: packing.cu instantiates them for GPUs, tests for the CPU.
#pragma once

#include <algorithm>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "backend/cuda/dnn/packing.hpp"

namespace firecaffe::cuda::dnn {

/// N channels of a pixel at once.
template <int N, class T, class Device, class Ours>
void pack_channels(const Ours* from, const TensorSpec& spec, T* to, std::int64_t channels) {
    const Indexing index(spec);
    const std::int64_t known = spec.shape[1], positions = spec.shape.count_from(2);
    const Divisor by_channels(channels / N), by_positions(positions);
    Launch<Device>::for_each(spec.shape[0] * positions * channels / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split pixel = split(i, by_channels);
        const Split place = split(pixel.quotient, by_positions);
        PackedBytes<T, N> packed;
        for (int k = 0; k < N; ++k) {
            const std::int64_t c = pixel.remainder * N + k;
            packed.elements[k] = c < known ? recast<T>(from[index(place.quotient, c, place.remainder)]) : T(0);
        }
        put_bytes(packed, to + i * N);
    });
}

template <class T, class Device, class Ours>
void to_channels_last(const Ours* from, const TensorSpec& spec, T* to, std::int64_t channels) {
    constexpr int N = kPack<T>;
    if (channels % N == 0 && is_aligned<N>(to))
        pack_channels<N, T, Device>(from, spec, to, channels);
    else
        pack_channels<1, T, Device>(from, spec, to, channels);
}

template <class T, class Device, class Ours>
void from_channels_last(const T* from, std::int64_t channels, Ours* to, const TensorSpec& spec) {
    const Indexing index(spec);
    const std::int64_t positions = spec.shape.count_from(2);
    Launch<Device>::for_each(spec.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Element e = index.at(i);
        to[i] = recast<Ours>(from[(e.n * positions + e.s) * channels + e.c]);
    });
}

/// N channels of a block at once.
template <int N, class T, class Device, class Ours>
void pack_blocks(const Ours* from, const TensorSpec& spec, T* to, const Blocks& blocks) {
    const Indexing index(spec);
    const std::int64_t height = spec.shape[2], width = spec.shape[3], side = blocks.side;
    const std::int64_t known = side * side * spec.shape[1];
    const Divisor by_vectors(blocks.channels / N), by_columns(blocks.columns), by_rows(blocks.rows);
    const Divisor by_channels(spec.shape[1]), by_side(side);
    Launch<Device>::for_each(blocks.elements(spec.shape[0]) / N, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split block = split(i, by_vectors);
        const Split column = split(block.quotient, by_columns);
        const Split row = split(column.quotient, by_rows);
        const std::int64_t top = row.remainder * side - blocks.pad_h, left = column.remainder * side - blocks.pad_w;
        PackedBytes<T, N> packed;
        for (int k = 0; k < N; ++k) {
            const std::int64_t number = block.remainder * N + k;
            const Split channel = split(number, by_channels);
            const Split pixel = split(channel.quotient, by_side);
            const std::int64_t y = top + pixel.quotient, x = left + pixel.remainder;
            const bool there = number < known && y >= 0 && y < height && x >= 0 && x < width;
            packed.elements[k] = there ? recast<T>(from[index(row.quotient, channel.remainder, y * width + x)]) : T(0);
        }
        put_bytes(packed, to + i * N);
    });
}

template <class T, class Device, class Ours>
void to_blocks(const Ours* from, const TensorSpec& spec, T* to, const Blocks& blocks) {
    constexpr int N = kPack<T>;
    if (blocks.channels % N == 0 && is_aligned<N>(to))
        pack_blocks<N, T, Device>(from, spec, to, blocks);
    else
        pack_blocks<1, T, Device>(from, spec, to, blocks);
}

template <class T, class Device, class Ours>
void from_blocks(const T* from, const Blocks& blocks, Ours* to, const TensorSpec& spec) {
    const Indexing index(spec);
    const std::int64_t channels = spec.shape[1], side = blocks.side;
    const Divisor by_width(spec.shape[3]), by_side(side);
    Launch<Device>::for_each(spec.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Element e = index.at(i);
        const Split place = split(e.s, by_width);
        const Split y = split(place.quotient + blocks.pad_h, by_side),
                    x = split(place.remainder + blocks.pad_w, by_side);
        const std::int64_t block = (e.n * blocks.rows + y.quotient) * blocks.columns + x.quotient;
        const std::int64_t number = (y.remainder * side + x.remainder) * channels + e.c;
        to[i] = recast<Ours>(from[block * blocks.channels + number]);
    });
}

/// Columns that a thread may add side by side.
inline std::int64_t columns_per_thread(std::int64_t columns) {
    return columns % 8 == 0 ? 8 : 1;
}
/// Threads of a group that take neighbouring columns; the others take further rows.
inline std::int64_t threads_per_row(std::int64_t columns) {
    if (columns % 8 != 0) return 32;
    return columns % 64 == 0 ? 8 : columns % 32 == 0 ? 4 : columns % 16 == 0 ? 2 : 1;
}
/// Groups that all columns of a row take.
inline std::int64_t groups_per_row(std::int64_t columns) {
    const std::int64_t of_group = threads_per_row(columns) * columns_per_thread(columns);
    return (columns + of_group - 1) / of_group;
}

/// Rows are cut into so many stretches that all of a GPU is busy, and no stretch is so short that it is not worth it.
inline std::int64_t row_stretches(std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kGroups = 1056, kLeastRows = 8;  // the latter of each thread
    const std::int64_t wanted = kGroups / std::max<std::int64_t>(groups_per_row(columns), 1);
    const std::int64_t at_once = kGroupSize / threads_per_row(columns);
    return std::clamp<std::int64_t>(rows / (at_once * kLeastRows), 1, std::max<std::int64_t>(wanted, 1));
}

/// scratch[stretch * columns + j] = the sum of column j over a stretch of rows. A group has a stretch of Threads * N
/// neighbouring columns, and a thread N of them in every so manieth row.
template <int Threads, int N, class T, class Device>
void sum_stretches(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t stretches, double* scratch) {
    constexpr int kAhead = 4;  // rows that are read before they are added, so that a thread waits for memory less often
    constexpr std::int64_t kAtOnce = kGroupSize / Threads;
    const std::int64_t length = (rows + stretches - 1) / stretches;
    const std::int64_t groups = (columns + Threads * N - 1) / (Threads * N);
    const Divisor by_groups(groups);
    Launch<Device>::for_each_group(stretches * groups, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device> & group) {
        const Split place = split(i, by_groups);
        const std::int64_t begin = place.quotient * length;
        const std::int64_t end = begin + length < rows ? begin + length : rows;
        const std::int64_t first = place.remainder * Threads * N;
        group.template column_sums<Threads, N>(
            [=](int column, int above, double* sums) {
                if (first + column * N >= columns) return;
                const T* from = x + first + column * N;
                std::int64_t row = begin + above;
                for (; row + (kAhead - 1) * kAtOnce < end; row += kAhead * kAtOnce) {
                    PackedBytes<T, N> read[kAhead];
                    FIRECAFFE_UNROLL
                    for (int ahead = 0; ahead < kAhead; ++ahead)
                        read[ahead] = bytes_at<N>(from + (row + ahead * kAtOnce) * columns);
                    FIRECAFFE_UNROLL
                    for (int ahead = 0; ahead < kAhead; ++ahead)
                        for (int k = 0; k < N; ++k) sums[k] += exactly(read[ahead].elements[k]);
                }
                for (; row < end; row += kAtOnce) {
                    const PackedBytes<T, N> read = bytes_at<N>(from + row * columns);
                    for (int k = 0; k < N; ++k) sums[k] += exactly(read.elements[k]);
                }
            },
            [=](int column, int k, double sum) {
                const std::int64_t j = first + column * N + k;
                if (j < columns) scratch[place.quotient * columns + j] = sum;
            });
    });
}

template <class T, class Device>
void sum_rows(const T* x, std::int64_t rows, std::int64_t columns, Master<T>* sums, double* scratch) {
    const std::int64_t stretches = row_stretches(rows, columns), threads = threads_per_row(columns);
    if (threads == 32 || !is_aligned<8>(x))
        sum_stretches<32, 1, T, Device>(x, rows, columns, stretches, scratch);
    else if (threads == 8)
        sum_stretches<8, 8, T, Device>(x, rows, columns, stretches, scratch);
    else if (threads == 4)
        sum_stretches<4, 8, T, Device>(x, rows, columns, stretches, scratch);
    else if (threads == 2)
        sum_stretches<2, 8, T, Device>(x, rows, columns, stretches, scratch);
    else
        sum_stretches<1, 8, T, Device>(x, rows, columns, stretches, scratch);
    constexpr int kSide = 4;  // columns that a group finishes side by side
    const std::int64_t groups = (columns + kSide - 1) / kSide;
    Launch<Device>::for_each_group(groups, [=] FIRECAFFE_KERNEL(std::int64_t i, Group<Device> & group) {
        group.template column_sums<kSide, 1>(
            [=](int column, int above, double* sum) {
                const std::int64_t j = i * kSide + column;
                if (j >= columns) return;
                for (std::int64_t k = above; k < stretches; k += kGroupSize / kSide) *sum += scratch[k * columns + j];
            },
            [=](int column, int, double sum) {
                const std::int64_t j = i * kSide + column;
                if (j < columns) sums[j] = static_cast<Master<T>>(sum);
            });
    });
}

template <class T, class Device>
void add_to_rows(const T* bias, std::int64_t rows, std::int64_t columns, T* y) {
    const Divisor by_columns(columns);
    Launch<Device>::for_each(rows * columns, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        y[i] = rounded<T>(real(y[i]) + real(bias[split(i, by_columns).remainder]));
    });
}

}  // namespace firecaffe::cuda::dnn
