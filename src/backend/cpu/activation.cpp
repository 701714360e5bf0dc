// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/activation.hpp on the CPU: one loop over memory each, without branches that depend on the values where
// the formula allows it.
#include "firecaffe/ops/activation.hpp"

#include <algorithm>
#include <cmath>

#include "firecaffe/ops/reference/elementwise.hpp"

namespace firecaffe::ops {
namespace {

using reference::require_equal_length;

/// y[i] = f(x[i])
template <class T, class F>
void map(const char* op, std::span<const T> x, std::span<T> y, F f) {
    require_equal_length(op, x, y);
    const T* from = x.data();
    T* to = y.data();
    const std::size_t count = x.size();
    for (std::size_t i = 0; i < count; ++i) to[i] = f(from[i]);
}

/// dx[i] = f(v[i], dy[i]), where v is the output or the input of the forward pass.
template <class T, class F>
void map(const char* op, std::span<const T> v, std::span<const T> dy, std::span<T> dx, F f) {
    require_equal_length(op, v, dy);
    require_equal_length(op, v, dx);
    const T *value = v.data(), *from = dy.data();
    T* to = dx.data();
    const std::size_t count = v.size();
    for (std::size_t i = 0; i < count; ++i) to[i] = f(value[i], from[i]);
}

template <class T>
void power_forward_body(std::span<const T> x, std::span<T> y, const PowerParameters& p) {
    const T power = static_cast<T>(p.power), scale = static_cast<T>(p.scale), shift = static_cast<T>(p.shift);
    if (p.power == 0.0)
        map("power", x, y, [](T) { return T(1); });
    else if (p.power == 1.0)
        map("power", x, y, [=](T v) { return shift + scale * v; });
    else if (p.power == 2.0)
        map("power", x, y, [=](T v) { return (shift + scale * v) * (shift + scale * v); });
    else
        map("power", x, y, [=](T v) { return std::pow(shift + scale * v, power); });
}

template <class T>
void power_backward_body(std::span<const T> x, std::span<const T> dy, std::span<T> dx, const PowerParameters& p) {
    const T slope = static_cast<T>(p.power * p.scale), less = static_cast<T>(p.power - 1.0);
    const T scale = static_cast<T>(p.scale), shift = static_cast<T>(p.shift);
    require_equal_length("power", x, dx);
    if (p.power == 0.0 || p.scale == 0.0)
        map("power", dy, dx, [](T) { return T(0); });
    else if (p.power == 1.0)
        map("power", dy, dx, [=](T d) { return d * slope; });
    else if (p.power == 2.0)
        map("power", x, dy, dx, [=](T v, T d) { return d * slope * (shift + scale * v); });
    else
        map("power", x, dy, dx, [=](T v, T d) { return d * slope * std::pow(shift + scale * v, less); });
}

template <class T>
void clear_padding_body(TensorView<T, Cpu> y) {
    if (y.layout().kind != Layout::Kind::blocked) return;
    const std::int64_t block = y.layout().channel_block, channels = y.shape()[1], used = channels % block;
    if (used == 0) return;
    const std::int64_t positions = y.shape().count_from(2), sample = (channels - used + block) * positions;
    for (std::int64_t n = 0; n < y.shape()[0]; ++n) {
        T* last = y.data() + n * sample + (channels - used) * positions;
        for (std::int64_t s = 0; s < positions; ++s) std::fill(last + s * block + used, last + (s + 1) * block, T(0));
    }
}

}  // namespace

#define FIRECAFFE_ACTIVATION_BODIES(T)                                                                 \
    template <>                                                                                        \
    void sigmoid_forward<T, Cpu>(std::span<const T> x, std::span<T> y) {                               \
        map("sigmoid", x, y, [](T v) { return std::tanh(v * T(0.5)) * T(0.5) + T(0.5); });             \
    }                                                                                                  \
    template <>                                                                                        \
    void sigmoid_backward<T, Cpu>(std::span<const T> y, std::span<const T> dy, std::span<T> dx) {      \
        map("sigmoid", y, dy, dx, [](T v, T d) { return d * v * (1 - v); });                           \
    }                                                                                                  \
    template <>                                                                                        \
    void tanh_forward<T, Cpu>(std::span<const T> x, std::span<T> y) {                                  \
        map("tanh", x, y, [](T v) { return std::tanh(v); });                                           \
    }                                                                                                  \
    template <>                                                                                        \
    void tanh_backward<T, Cpu>(std::span<const T> y, std::span<const T> dy, std::span<T> dx) {         \
        map("tanh", y, dy, dx, [](T v, T d) { return d * (1 - v * v); });                              \
    }                                                                                                  \
    template <>                                                                                        \
    void elu_forward<T, Cpu>(std::span<const T> x, std::span<T> y, T alpha) {                          \
        map("elu", x, y, [=](T v) { return v > 0 ? v : alpha * std::expm1(v); });                      \
    }                                                                                                  \
    template <>                                                                                        \
    void elu_backward<T, Cpu>(std::span<const T> y, std::span<const T> dy, std::span<T> dx, T alpha) { \
        map("elu", y, dy, dx, [=](T v, T d) { return d * (v > 0 ? T(1) : alpha + v); });               \
    }                                                                                                  \
    template <>                                                                                        \
    void power_forward<T, Cpu>(std::span<const T> x, std::span<T> y, const PowerParameters& p) {       \
        power_forward_body(x, y, p);                                                                   \
    }                                                                                                  \
    template <>                                                                                        \
    void power_backward<T, Cpu>(std::span<const T> x, std::span<const T> dy, std::span<T> dx,          \
                                const PowerParameters& p) {                                            \
        power_backward_body(x, dy, dx, p);                                                             \
    }                                                                                                  \
    template <>                                                                                        \
    void clear_padding(TensorView<T, Cpu> y) {                                                         \
        clear_padding_body(y);                                                                         \
    }

FIRECAFFE_ACTIVATION_BODIES(float)
FIRECAFFE_ACTIVATION_BODIES(double)
#undef FIRECAFFE_ACTIVATION_BODIES

}  // namespace firecaffe::ops
