// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/bodies/channels.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

// A macro, because an explicit specialisation cannot itself depend on a template parameter.
#define FIRECAFFE_DEFINE_CHANNELS(T)                                                           \
    template <>                                                                                \
    std::unique_ptr<Scale<T, Cuda>> make_scale(const TensorSpec& input) {                      \
        return cuda::make_scale<T, Cuda>(input);                                               \
    }                                                                                          \
    template <>                                                                                \
    std::unique_ptr<Prelu<T, Cuda>> make_prelu(const TensorSpec& input, bool channel_shared) { \
        return cuda::make_prelu<T, Cuda>(input, channel_shared);                               \
    }                                                                                          \
    template <>                                                                                \
    std::unique_ptr<BatchNorm<T, Cuda>> make_batch_norm(double eps, const TensorSpec& input) { \
        return cuda::make_batch_norm<T, Cuda>(eps, input);                                     \
    }

FIRECAFFE_DEFINE_CHANNELS(float)
FIRECAFFE_DEFINE_CHANNELS(double)
FIRECAFFE_DEFINE_CHANNELS(bfloat16)
FIRECAFFE_DEFINE_CHANNELS(float16)

}  // namespace firecaffe::ops
