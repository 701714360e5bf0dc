// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/rows.hpp on the CPU.
#include "firecaffe/ops/rows.hpp"

#include <algorithm>
#include <cmath>

#include "backend/cpu/refuse.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::ops {
namespace {

template <class T>
void copy_rows_body(Rows<const T> from, Rows<T> to, std::int64_t length, std::int64_t count) {
    if (length < 0 || count < 0 || (count > 1 && (from.step < length || to.step < length)))
        throw ShapeError("copy rows: ", count, " rows of ", length, " elements, from every ", from.step, " to every ",
                         to.step, "; rows may not overlap");
    for (std::int64_t row = 0; row < count; ++row)
        std::copy_n(from.data + row * from.step, length, to.data + row * to.step);
}

template <class T>
std::int64_t checked_index(std::span<const T> index, std::size_t i, std::int64_t input_dim) {
    const T value = index[i];
    if (!(value >= 0 && value < static_cast<T>(input_dim)) || value != std::floor(value))
        refuse_index(value, static_cast<std::int64_t>(i), input_dim);
    return static_cast<std::int64_t>(value);
}

template <class T>
void embed_forward_body(std::span<const T> index, const T* weight, const T* bias, std::int64_t input_dim,
                        std::int64_t num_output, T* y) {
    for (std::size_t i = 0; i < index.size(); ++i, y += num_output) {
        const T* row = weight + checked_index(index, i, input_dim) * num_output;
        if (bias == nullptr)
            std::copy_n(row, num_output, y);
        else
            for (std::int64_t k = 0; k < num_output; ++k) y[k] = row[k] + bias[k];
    }
}

template <class T>
void embed_backward_body(std::span<const T> index, const T* dy, std::int64_t input_dim, std::int64_t num_output,
                         T* dweight, T* dbias) {
    std::fill_n(dweight, input_dim * num_output, T(0));
    if (dbias != nullptr) std::fill_n(dbias, num_output, T(0));
    for (std::size_t i = 0; i < index.size(); ++i, dy += num_output) {
        T* row = dweight + checked_index(index, i, input_dim) * num_output;
        for (std::int64_t k = 0; k < num_output; ++k) row[k] += dy[k];
        for (std::int64_t k = 0; dbias != nullptr && k < num_output; ++k) dbias[k] += dy[k];
    }
}

}  // namespace

#define FIRECAFFE_ROWS_BODIES(T)                                                                                 \
    template <>                                                                                                  \
    void copy_rows<T, Cpu>(Rows<const T> from, Rows<T> to, std::int64_t length, std::int64_t count) {            \
        copy_rows_body<T>(from, to, length, count);                                                              \
    }                                                                                                            \
    template <>                                                                                                  \
    void embed_forward<T, Cpu>(std::span<const T> index, const T* weight, const T* bias, std::int64_t input_dim, \
                               std::int64_t num_output, T* y, Refused*) {                                        \
        embed_forward_body<T>(index, weight, bias, input_dim, num_output, y);                                    \
    }                                                                                                            \
    template <>                                                                                                  \
    void check_indices<T, Cpu>(const Refused*, std::int64_t) {}                                                  \
    template <>                                                                                                  \
    void embed_backward<T, Cpu>(std::span<const T> index, const T* dy, std::int64_t input_dim,                   \
                                std::int64_t num_output, T* dweight, T* dbias) {                                 \
        embed_backward_body<T>(index, dy, input_dim, num_output, dweight, dbias);                                \
    }

FIRECAFFE_ROWS_BODIES(float)
FIRECAFFE_ROWS_BODIES(double)
#undef FIRECAFFE_ROWS_BODIES

}  // namespace firecaffe::ops
