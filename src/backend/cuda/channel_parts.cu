// SPDX-License-Identifier: Apache-2.0
// Channels in parts.
#include "backend/cuda/bodies/channel_parts.hpp"

#include "backend/cuda/launch.cuh"

namespace firecaffe::ops {

#define FIRECAFFE_DEFINE_CHANNEL_PARTS(T)                                                                      \
    template <>                                                                                                \
    void split_channels<T, Cuda>(const T* whole, std::int64_t pixels, std::span<const ChannelPart<T>> parts) { \
        cuda::split_channels<T, Cuda>(whole, pixels, parts);                                                   \
    }                                                                                                          \
    template <>                                                                                                \
    void join_channels<T, Cuda>(std::span<const ChannelPart<const T>> parts, std::int64_t pixels, T * whole) { \
        cuda::join_channels<T, Cuda>(parts, pixels, whole);                                                    \
    }

FIRECAFFE_DEFINE_CHANNEL_PARTS(float)
FIRECAFFE_DEFINE_CHANNEL_PARTS(double)
FIRECAFFE_DEFINE_CHANNEL_PARTS(bfloat16)
FIRECAFFE_DEFINE_CHANNEL_PARTS(float16)

}  // namespace firecaffe::ops
