// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/gradient_gauge.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe {

template <>
void gauge_gradients<float, Cuda>(const float* sums, const GaugeState<float>::Piece* pieces, std::int64_t count,
                                  double* squares, const UpdateRule& rule, double mean, GaugeState<float>* state) {
    cuda::gauge_gradients<float, Cuda>(sums, pieces, count, squares, rule, mean, state);
}

}  // namespace firecaffe
