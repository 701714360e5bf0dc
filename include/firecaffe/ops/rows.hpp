// SPDX-License-Identifier: Apache-2.0
// Moving rows of plain tensors: pieces of an axis (Concat, Slice), and rows of a table chosen by number (Embed).
#pragma once

#include <cstdint>
#include <span>

#include "firecaffe/core/half.hpp"
#include "firecaffe/ops/loss_sum.hpp"
#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// A stretch of one axis of a plain tensor lies in memory as `count` rows of `length` elements, `step` elements from
/// one to the next.
template <class T>
struct Rows {
    T* data = nullptr;
    std::int64_t step = 0;
};
/// to = from, row by row.
template <class T, class Device>
void copy_rows(Rows<const T> from, Rows<T> to, std::int64_t length, std::int64_t count);

/// y[i] = weight[index[i]] + bias, for rows of `num_output` elements; weight: input_dim x num_output, bias: num_output
/// or null. An index that is no whole number in [0, input_dim) is refused: the CPU throws DataError; a GPU fills its
/// row with NaN, writes *refused, which is in its memory, and check_indices throws later.
template <class T, class Device>
void embed_forward(std::span<const Master<T>> index, const Master<T>* weight, const Master<T>* bias,
                   std::int64_t input_dim, std::int64_t num_output, T* y, Refused* refused);
/// Throws DataError, with the index and its place, if one was refused. Waits for a GPU; nothing to do on the CPU.
template <class T, class Device>
void check_indices(const Refused* refused, std::int64_t input_dim);
/// dweight[r] = sum of dy[i] over all i with index[i] == r, in the order of i; dbias = sum of all dy[i], or null.
template <class T, class Device>
void embed_backward(std::span<const Master<T>> index, const T* dy, std::int64_t input_dim, std::int64_t num_output,
                    Master<T>* dweight, Master<T>* dbias);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_ROWS(T, Device)                                                                        \
    template <>                                                                                                  \
    void copy_rows<T, Device>(Rows<const T>, Rows<T>, std::int64_t, std::int64_t);                               \
    template <>                                                                                                  \
    void embed_forward<T, Device>(std::span<const Master<T>>, const Master<T>*, const Master<T>*, std::int64_t,  \
                                  std::int64_t, T*, Refused*);                                                   \
    template <>                                                                                                  \
    void check_indices<T, Device>(const Refused*, std::int64_t);                                                 \
    template <>                                                                                                  \
    void embed_backward<T, Device>(std::span<const Master<T>>, const T*, std::int64_t, std::int64_t, Master<T>*, \
                                   Master<T>*);

FIRECAFFE_DECLARE_ROWS(float, Cpu)
FIRECAFFE_DECLARE_ROWS(double, Cpu)
FIRECAFFE_DECLARE_ROWS(float, Cuda)
FIRECAFFE_DECLARE_ROWS(double, Cuda)
FIRECAFFE_DECLARE_ROWS(bfloat16, Cuda)
FIRECAFFE_DECLARE_ROWS(float16, Cuda)
#undef FIRECAFFE_DECLARE_ROWS

}  // namespace firecaffe::ops
