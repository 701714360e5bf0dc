// SPDX-License-Identifier: Apache-2.0
// Ops that look at neighbours: pooling, and local response normalisation.
#include "backend/cuda/bodies/lrn.hpp"
#include "backend/cuda/bodies/pooling.hpp"
#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_WINDOWS(T)                                                                     \
    template <>                                                                                         \
    std::unique_ptr<Pooling<T, Cuda>> make_pooling(const PoolingGeometry& g, const TensorSpec& input) { \
        return cuda::make_pooling<T, Cuda>(g, input);                                                   \
    }                                                                                                   \
    template <>                                                                                         \
    std::unique_ptr<Lrn<T, Cuda>> make_lrn(const LrnParameters& parameters, const TensorSpec& input) {  \
        return cuda::make_lrn<T, Cuda>(parameters, input);                                              \
    }

FIRECAFFE_DEFINE_WINDOWS(float)
FIRECAFFE_DEFINE_WINDOWS(double)

}  // namespace firecaffe::ops
