// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/channel_bias.hpp"

#include <algorithm>

namespace firecaffe::ops {

namespace {

template <class T>
void add(const T* bias, TensorView<T, Cpu> y) {
    const std::int64_t channels = y.shape()[1], plane = y.shape().count_from(2);
    for (std::int64_t i = 0; i < y.shape()[0] * channels; ++i) {
        const T value = bias[i % channels];
        T* to = y.data() + i * plane;
        for (std::int64_t s = 0; s < plane; ++s) to[s] += value;
    }
}

template <class T>
void sum(TensorView<const T, Cpu> dy, T* dbias) {
    const std::int64_t channels = dy.shape()[1], plane = dy.shape().count_from(2);
    std::fill_n(dbias, channels, T{0});
    for (std::int64_t i = 0; i < dy.shape()[0] * channels; ++i) {
        const T* from = dy.data() + i * plane;
        T total = 0;
        for (std::int64_t s = 0; s < plane; ++s) total += from[s];
        dbias[i % channels] += total;
    }
}

}  // namespace

template <>
void add_channel_bias<float, Cpu>(const float* bias, TensorView<float, Cpu> y) {
    add(bias, y);
}
template <>
void add_channel_bias<double, Cpu>(const double* bias, TensorView<double, Cpu> y) {
    add(bias, y);
}
template <>
void channel_bias_backward<float, Cpu>(TensorView<const float, Cpu> dy, float* dbias) {
    sum(dy, dbias);
}
template <>
void channel_bias_backward<double, Cpu>(TensorView<const double, Cpu> dy, double* dbias) {
    sum(dy, dbias);
}

}  // namespace firecaffe::ops
