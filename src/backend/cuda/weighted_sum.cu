// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/weighted_sum.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

template <>
void weighted_sum<float, Cuda>(double constant, std::span<const WeightedTerm<float>> terms, float* sum) {
    cuda::weighted_sum<float, Cuda>(constant, terms, sum);
}
template <>
void weighted_sum<double, Cuda>(double constant, std::span<const WeightedTerm<double>> terms, double* sum) {
    cuda::weighted_sum<double, Cuda>(constant, terms, sum);
}

}  // namespace firecaffe::ops
