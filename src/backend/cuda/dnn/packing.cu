// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/packing_bodies.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::cuda::dnn {

std::int64_t sum_rows_scratch(std::int64_t rows, std::int64_t columns) {
    return row_stretches(rows, columns) * columns;
}

#define FIRECAFFE_INSTANTIATE_PACKING(T, Ours)                                                   \
    template void to_channels_last<T, Cuda>(const Ours*, const TensorSpec&, T*, std::int64_t);   \
    template void from_channels_last<T, Cuda>(const T*, std::int64_t, Ours*, const TensorSpec&); \
    template void to_blocks<T, Cuda>(const Ours*, const TensorSpec&, T*, const Blocks&);         \
    template void from_blocks<T, Cuda>(const T*, const Blocks&, Ours*, const TensorSpec&);

FIRECAFFE_INSTANTIATE_PACKING(float, float)
FIRECAFFE_INSTANTIATE_PACKING(double, double)
FIRECAFFE_INSTANTIATE_PACKING(bfloat16, bfloat16)
FIRECAFFE_INSTANTIATE_PACKING(bfloat16, float)
FIRECAFFE_INSTANTIATE_PACKING(float16, float16)
FIRECAFFE_INSTANTIATE_PACKING(float16, float)

#define FIRECAFFE_INSTANTIATE(T)                                                                \
    template void sum_rows<T, Cuda>(const T*, std::int64_t, std::int64_t, Master<T>*, double*); \
    template void add_to_rows<T, Cuda>(const T*, std::int64_t, std::int64_t, T*);

FIRECAFFE_INSTANTIATE(float)
FIRECAFFE_INSTANTIATE(double)
FIRECAFFE_INSTANTIATE(bfloat16)
FIRECAFFE_INSTANTIATE(float16)

}  // namespace firecaffe::cuda::dnn
