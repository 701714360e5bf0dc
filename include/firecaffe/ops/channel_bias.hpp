// SPDX-License-Identifier: Apache-2.0
// A value per channel, added to plain N x C x spatial tensors.
#pragma once

#include "firecaffe/tensor/tensor.hpp"

namespace firecaffe::ops {

/// y[n, c, s] += bias[c].
template <class T, class Device>
void add_channel_bias(const T* bias, TensorView<T, Device> y);

/// dbias[c] = sum of dy[n, c, s], over n, then s.
template <class T, class Device>
void channel_bias_backward(TensorView<const T, Device> dy, T* dbias);

// What the library ships; the bodies are explicit specialisations in src/backend.
#define FIRECAFFE_DECLARE_CHANNEL_BIAS(T, Device)           \
    template <>                                             \
    void add_channel_bias(const T*, TensorView<T, Device>); \
    template <>                                             \
    void channel_bias_backward(TensorView<const T, Device>, T*);

FIRECAFFE_DECLARE_CHANNEL_BIAS(float, Cpu)
FIRECAFFE_DECLARE_CHANNEL_BIAS(double, Cpu)
#undef FIRECAFFE_DECLARE_CHANNEL_BIAS

}  // namespace firecaffe::ops
