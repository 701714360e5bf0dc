// SPDX-License-Identifier: Apache-2.0
// Ops that move elements, or join several tensors.
#include "backend/cuda/bodies/eltwise.hpp"
#include "backend/cuda/bodies/layouts.hpp"
#include "backend/cuda/bodies/rows.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_LAYOUTS(T)                                                                                  \
    template <>                                                                                                      \
    std::unique_ptr<Reorder<T, Cuda>> make_reorder(const TensorSpec& from, const TensorSpec& to) {                   \
        return cuda::make_reorder<T, Cuda>(from, to);                                                                \
    }                                                                                                                \
    template <>                                                                                                      \
    std::unique_ptr<Concat<T, Cuda>> make_concat(std::span<const TensorSpec> inputs) {                               \
        return cuda::make_concat<T, Cuda>(inputs);                                                                   \
    }                                                                                                                \
    template <>                                                                                                      \
    void split_channels<T, Cuda>(const T* whole, std::int64_t pixels, std::span<const ChannelPart<T>> parts) {       \
        cuda::split_channels<T, Cuda>(whole, pixels, parts);                                                         \
    }                                                                                                                \
    template <>                                                                                                      \
    void join_channels<T, Cuda>(std::span<const ChannelPart<const T>> parts, std::int64_t pixels, T* whole) {        \
        cuda::join_channels<T, Cuda>(parts, pixels, whole);                                                          \
    }                                                                                                                \
    template <>                                                                                                      \
    std::unique_ptr<Eltwise<T, Cuda>> make_eltwise(const EltwiseParameters& p, std::span<const TensorSpec> inputs) { \
        return cuda::make_eltwise<T, Cuda>(p, inputs);                                                               \
    }                                                                                                                \
    template <>                                                                                                      \
    void copy_rows<T, Cuda>(Rows<const T> from, Rows<T> to, std::int64_t length, std::int64_t count) {               \
        cuda::copy_rows<T, Cuda>(from, to, length, count);                                                           \
    }                                                                                                                \
    template <>                                                                                                      \
    void embed_forward<T, Cuda>(std::span<const Master<T>> index, const Master<T>* weight, const Master<T>* bias,    \
                                std::int64_t input_dim, std::int64_t num_output, T* y, Refused* refused) {           \
        cuda::embed_forward<T, Cuda>(index, weight, bias, input_dim, num_output, y, refused);                        \
    }                                                                                                                \
    template <>                                                                                                      \
    void check_indices<T, Cuda>(const Refused* refused, std::int64_t input_dim) {                                    \
        cuda::check_indices<T, Cuda>(refused, input_dim);                                                            \
    }                                                                                                                \
    template <>                                                                                                      \
    void embed_backward<T, Cuda>(std::span<const Master<T>> index, const T* dy, std::int64_t input_dim,              \
                                 std::int64_t num_output, Master<T>* dweight, Master<T>* dbias) {                    \
        cuda::embed_backward<T, Cuda>(index, dy, input_dim, num_output, dweight, dbias);                             \
    }

FIRECAFFE_DEFINE_LAYOUTS(float)
FIRECAFFE_DEFINE_LAYOUTS(double)
FIRECAFFE_DEFINE_LAYOUTS(bfloat16)
FIRECAFFE_DEFINE_LAYOUTS(float16)

}  // namespace firecaffe::ops
