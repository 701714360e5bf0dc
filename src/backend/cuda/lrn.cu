// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/lrn.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_LRN(T)                                                                        \
    template <>                                                                                        \
    std::unique_ptr<Lrn<T, Cuda>> make_lrn(const LrnParameters& parameters, const TensorSpec& input) { \
        return cuda::make_lrn<T, Cuda>(parameters, input);                                             \
    }

FIRECAFFE_DEFINE_LRN(float)
FIRECAFFE_DEFINE_LRN(double)
FIRECAFFE_DEFINE_LRN(bfloat16)
FIRECAFFE_DEFINE_LRN(float16)

}  // namespace firecaffe::ops
