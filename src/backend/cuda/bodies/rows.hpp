// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/rows.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/host_result.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/rows.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
void copy_rows(ops::Rows<const T> from, ops::Rows<T> to, std::int64_t length, std::int64_t count) {
    if (length < 0 || count < 0 || (count > 1 && (from.step < length || to.step < length)))
        throw ShapeError("copy rows: ", count, " rows of ", length, " elements, from every ", from.step, " to every ",
                         to.step, "; rows may not overlap");
    const Divisor of_row(length);
    Launch<Device>::for_each(count * length, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split row = split(i, of_row);
        to.data[row.quotient * to.step + row.remainder] = from.data[row.quotient * from.step + row.remainder];
    });
}

/// Whether an index is a whole number in [0, input_dim).
template <class T>
FIRECAFFE_HOST_DEVICE bool is_row(T index, std::int64_t input_dim) {
    return index == std::floor(index) && index >= 0 && index < static_cast<T>(input_dim);
}

/// Throws DataError for the first index that is no row; waits for the stream.
template <class T, class Device>
void check_rows(std::span<const T> index, std::int64_t input_dim) {
    const T* data = index.data();
    const auto count = static_cast<std::int64_t>(index.size());
    HostResult* result = host_result();
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device>& group) {
        const double refused = group.sum(count, [=](std::int64_t i) { return is_row(data[i], input_dim) ? 0.0 : 1.0; });
        group.once([=] { result->refused = static_cast<std::int64_t>(refused); });
    });
    wait_for_result<Device>();
    if (result->refused > 0)
        throw DataError("embed: ", result->refused, " of ", count, " indices are no whole numbers in [0, ", input_dim,
                        "); fix the data, or raise input_dim");
}

template <class T, class Device>
void embed_forward(std::span<const T> index, const T* weight, const T* bias, std::int64_t input_dim,
                   std::int64_t num_output, T* y) {
    check_rows<T, Device>(index, input_dim);
    const T* rows = index.data();
    const Divisor of_row(num_output);
    Launch<Device>::for_each(static_cast<std::int64_t>(index.size()) * num_output,
                             [=] FIRECAFFE_KERNEL(std::int64_t i) {
                                 const Split at = split(i, of_row);
                                 const auto row = static_cast<std::int64_t>(rows[at.quotient]);
                                 const T value = weight[row * num_output + at.remainder];
                                 y[i] = bias == nullptr ? value : value + bias[at.remainder];
                             });
}

/// A thread has one element of dweight, and looks through all indices: in their order, without atomics.
template <class T, class Device>
void embed_backward(std::span<const T> index, const T* dy, std::int64_t input_dim, std::int64_t num_output, T* dweight,
                    T* dbias) {
    const T* rows = index.data();
    const auto count = static_cast<std::int64_t>(index.size());
    const Divisor of_row(num_output);
    Launch<Device>::for_each(input_dim * num_output, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        const Split at = split(k, of_row);
        T sum = 0;
        for (std::int64_t i = 0; i < count; ++i)
            if (rows[i] == static_cast<T>(at.quotient)) sum += dy[i * num_output + at.remainder];
        dweight[k] = sum;
    });
    if (dbias == nullptr) return;
    Launch<Device>::for_each(num_output, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        T sum = 0;
        for (std::int64_t i = 0; i < count; ++i) sum += dy[i * num_output + k];
        dbias[k] = sum;
    });
}

}  // namespace firecaffe::cuda
