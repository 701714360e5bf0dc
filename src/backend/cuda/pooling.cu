// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/pooling.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_POOLING(T)                                                                     \
    template <>                                                                                         \
    std::unique_ptr<Pooling<T, Cuda>> make_pooling(const PoolingGeometry& g, const TensorSpec& input) { \
        return cuda::make_pooling<T, Cuda>(g, input);                                                   \
    }

FIRECAFFE_DEFINE_POOLING(float)
FIRECAFFE_DEFINE_POOLING(double)
FIRECAFFE_DEFINE_POOLING(bfloat16)
FIRECAFFE_DEFINE_POOLING(float16)

}  // namespace firecaffe::ops
