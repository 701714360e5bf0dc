// SPDX-License-Identifier: Apache-2.0
// Bodies of ops/activation.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "backend/cuda/bodies/elementwise.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "firecaffe/ops/activation.hpp"

namespace firecaffe::cuda {

template <class T, class Device>
void sigmoid_forward(std::span<const T> x, std::span<T> y) {
    using R = Real<T>;
    require_equal_length("sigmoid", x, y);
    map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return std::tanh(v * R(0.5)) * R(0.5) + R(0.5); });
}

template <class T, class Device>
void sigmoid_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx) {
    using R = Real<T>;
    require_equal_length("sigmoid", y, dy);
    require_equal_length("sigmoid", y, dx);
    map<Device>(y, dy, dx, [=] FIRECAFFE_KERNEL(R v, R d) { return d * v * (1 - v); });
}

template <class T, class Device>
void tanh_forward(std::span<const T> x, std::span<T> y) {
    using R = Real<T>;
    require_equal_length("tanh", x, y);
    map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return std::tanh(v); });
}

template <class T, class Device>
void tanh_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx) {
    using R = Real<T>;
    require_equal_length("tanh", y, dy);
    require_equal_length("tanh", y, dx);
    map<Device>(y, dy, dx, [=] FIRECAFFE_KERNEL(R v, R d) { return d * (1 - v * v); });
}

template <class T, class Device>
void elu_forward(std::span<const T> x, std::span<T> y, Real<T> alpha) {
    using R = Real<T>;
    require_equal_length("elu", x, y);
    map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return v > 0 ? v : alpha * std::expm1(v); });
}

template <class T, class Device>
void elu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, Real<T> alpha) {
    using R = Real<T>;
    require_equal_length("elu", y, dy);
    require_equal_length("elu", y, dx);
    map<Device>(y, dy, dx, [=] FIRECAFFE_KERNEL(R v, R d) { return d * (v > 0 ? R(1) : alpha + v); });
}

template <class T, class Device>
void power_forward(std::span<const T> x, std::span<T> y, const ops::PowerParameters& p) {
    using R = Real<T>;
    require_equal_length("power", x, y);
    const R power = static_cast<R>(p.power), scale = static_cast<R>(p.scale), shift = static_cast<R>(p.shift);
    if (p.power == 0.0)
        map<Device>(x, y, [=] FIRECAFFE_KERNEL(R) { return R(1); });
    else if (p.power == 1.0)
        map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return shift + scale * v; });
    else if (p.power == 2.0)
        map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return (shift + scale * v) * (shift + scale * v); });
    else
        map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return std::pow(shift + scale * v, power); });
}

template <class T, class Device>
void power_backward(std::span<const T> x, std::span<const T> dy, std::span<T> dx, const ops::PowerParameters& p) {
    using R = Real<T>;
    require_equal_length("power", x, dy);
    require_equal_length("power", x, dx);
    const R slope = static_cast<R>(p.power * p.scale), less = static_cast<R>(p.power - 1.0);
    const R scale = static_cast<R>(p.scale), shift = static_cast<R>(p.shift);
    if (p.power == 0.0 || p.scale == 0.0)
        map<Device>(dy, dx, [=] FIRECAFFE_KERNEL(R) { return R(0); });
    else if (p.power == 1.0)
        map<Device>(dy, dx, [=] FIRECAFFE_KERNEL(R d) { return d * slope; });
    else if (p.power == 2.0)
        map<Device>(x, dy, dx, [=] FIRECAFFE_KERNEL(R v, R d) { return d * slope * (shift + scale * v); });
    else
        map<Device>(x, dy, dx,
                    [=] FIRECAFFE_KERNEL(R v, R d) { return d * slope * std::pow(shift + scale * v, less); });
}

template <class T, class Device>
void clear_padding(TensorView<T, Device> y) {
    const Indexing index(y.spec());
    if (index.stored_channels() == index.channels()) return;
    T* to = y.data();
    Launch<Device>::for_each(index.storage(), [=] FIRECAFFE_KERNEL(std::int64_t i) {
        if (index.at(i).c >= index.channels()) to[i] = T(0);
    });
}

}  // namespace firecaffe::cuda
