// SPDX-License-Identifier: Apache-2.0
// The bodies of packing.hpp, generic in the device: packing.cu instantiates them for GPUs, tests for the CPU.
#pragma once

#include <algorithm>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/dnn/packing.hpp"

namespace firecaffe::cuda::dnn {

template <class T, class Device>
void to_channels_last(const T* from, const TensorSpec& spec, T* to, std::int64_t channels) {
    const Indexing index(spec);
    const std::int64_t known = spec.shape[1], positions = spec.shape.count_from(2);
    const Divisor by_channels(channels), by_positions(positions);
    Launch<Device>::for_each(spec.shape[0] * positions * channels, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split pixel = split(i, by_channels);
        const Split place = split(pixel.quotient, by_positions);
        const std::int64_t c = pixel.remainder;
        to[i] = c < known ? from[index(place.quotient, c, place.remainder)] : T(0);
    });
}

template <class T, class Device>
void from_channels_last(const T* from, std::int64_t channels, T* to, const TensorSpec& spec) {
    const Indexing index(spec);
    const std::int64_t positions = spec.shape.count_from(2);
    Launch<Device>::for_each(spec.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Element e = index.at(i);
        to[i] = from[(e.n * positions + e.s) * channels + e.c];
    });
}

/// Rows are cut into so many stretches that all of a GPU is busy, and no stretch is so short that it is not worth it.
inline std::int64_t row_stretches(std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kThreads = std::int64_t{1} << 17, kLeastRows = 32;
    const std::int64_t wanted = kThreads / std::max<std::int64_t>(columns, 1);
    return std::clamp<std::int64_t>(rows / kLeastRows, 1, std::max<std::int64_t>(wanted, 1));
}

template <class T, class Device>
void sum_rows(const T* x, std::int64_t rows, std::int64_t columns, T* sums, double* scratch) {
    const std::int64_t stretches = row_stretches(rows, columns), length = (rows + stretches - 1) / stretches;
    const Divisor by_columns(columns);
    Launch<Device>::for_each(stretches * columns, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split place = split(i, by_columns);
        const std::int64_t begin = place.quotient * length;
        const std::int64_t end = begin + length < rows ? begin + length : rows;
        double sum = 0.0;
        for (std::int64_t row = begin; row < end; ++row) sum += static_cast<double>(x[row * columns + place.remainder]);
        scratch[i] = sum;
    });
    Launch<Device>::for_each(columns, [=] FIRECAFFE_KERNEL(std::int64_t j) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < stretches; ++k) sum += scratch[k * columns + j];
        sums[j] = static_cast<T>(sum);
    });
}

template <class T, class Device>
void add_to_rows(const T* bias, std::int64_t rows, std::int64_t columns, T* y) {
    const Divisor by_columns(columns);
    Launch<Device>::for_each(rows * columns,
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { y[i] += bias[split(i, by_columns).remainder]; });
}

}  // namespace firecaffe::cuda::dnn
