// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/rows.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "backend/cpu/refuse.hpp"
#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/divisor.hpp"
#include "backend/cuda/bodies/loss_sums.hpp"
#include "backend/cuda/bodies/real.hpp"
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

template <class T, class Device>
void embed_forward(std::span<const Real<T>> index, const Real<T>* weight, const Real<T>* bias, std::int64_t input_dim,
                   std::int64_t num_output, T* y, ops::Refused* refused) {
    using R = Real<T>;
    const R* rows = index.data();
    const auto count = static_cast<std::int64_t>(index.size());
    const Divisor of_row(num_output);
    Launch<Device>::for_each(count * num_output, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const Split at = split(i, of_row);
        const R number = rows[at.quotient];
        if (!is_row(number, input_dim)) {
            y[i] = rounded<T>(std::numeric_limits<R>::quiet_NaN());
            return;
        }
        const R value = weight[static_cast<std::int64_t>(number) * num_output + at.remainder];
        y[i] = rounded<T>(bias == nullptr ? value : value + bias[at.remainder]);
    });
    Launch<Device>::for_each_group(1, [=] FIRECAFFE_KERNEL(std::int64_t, Group<Device> & group) {
        const ops::Refused found =
            refused_of(rows, 0, count, group, [=](R number) { return is_row(number, input_dim); });
        group.once([=] { *refused = found; });
    });
}

template <class T, class Device>
void check_indices(const ops::Refused* refused, std::int64_t input_dim) {
    const ops::Refused found = fetched<Device>(refused);
    if (found.count > 0) ops::refuse_index(static_cast<Real<T>>(found.value), found.first, input_dim);
}

/// A thread has one element of dweight, and looks through all indices: in their order, without atomics.
template <class T, class Device>
void embed_backward(std::span<const Real<T>> index, const T* dy, std::int64_t input_dim, std::int64_t num_output,
                    Real<T>* dweight, Real<T>* dbias) {
    const Real<T>* rows = index.data();
    const auto count = static_cast<std::int64_t>(index.size());
    const Divisor of_row(num_output);
    Launch<Device>::for_each(input_dim * num_output, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        const Split at = split(k, of_row);
        Real<T> sum = 0;
        for (std::int64_t i = 0; i < count; ++i)
            if (rows[i] == static_cast<Real<T>>(at.quotient)) sum += real(dy[i * num_output + at.remainder]);
        dweight[k] = sum;
    });
    if (dbias == nullptr) return;
    Launch<Device>::for_each(num_output, [=] FIRECAFFE_KERNEL(std::int64_t k) {
        Real<T> sum = 0;
        for (std::int64_t i = 0; i < count; ++i) sum += real(dy[i * num_output + k]);
        dbias[k] = sum;
    });
}

}  // namespace firecaffe::cuda
