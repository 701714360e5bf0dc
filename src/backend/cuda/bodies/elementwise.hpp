// SPDX-License-Identifier: Apache-2.0
// The functions of ops/ops.hpp that treat each element for itself, with the bits of ops/reference/elementwise.hpp.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "firecaffe/ops/dropout.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

using ops::reference::require_equal_length;

/// y[i] = f(x[i]).
template <class Device, class T, class F>
void map(std::span<const T> from, std::span<T> to, const F& f) {
    const T* x = from.data();
    T* y = to.data();
    Launch<Device>::for_each(static_cast<std::int64_t>(from.size()),
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { y[i] = f(x[i]); });
}

/// y[i] = f(a[i], b[i]).
template <class Device, class T, class F>
void map(std::span<const T> first, std::span<const T> second, std::span<T> to, const F& f) {
    const T* a = first.data();
    const T* b = second.data();
    T* y = to.data();
    Launch<Device>::for_each(static_cast<std::int64_t>(first.size()),
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { y[i] = f(a[i], b[i]); });
}

template <class T, class Device>
void relu_forward(std::span<const T> x, std::span<T> y, T negative_slope) {
    require_equal_length("relu", x, y);
    map<Device>(x, y,
                [=] FIRECAFFE_KERNEL(T v) { return v < 0 ? (negative_slope == 0 ? T(0) : negative_slope * v) : v; });
}

template <class T, class Device>
void relu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, T negative_slope) {
    require_equal_length("relu", y, dy);
    require_equal_length("relu", y, dx);
    map<Device>(y, dy, dx, [=] FIRECAFFE_KERNEL(T v, T d) {
        return v > 0 ? d : (negative_slope == 0 ? T(0) : negative_slope * d);
    });
}

template <class T, class Device>
void accumulate(std::span<const T> x, std::span<T> y) {
    require_equal_length("accumulate", x, y);
    map<Device>(std::span<const T>(y), x, y, [=] FIRECAFFE_KERNEL(T a, T b) { return a + b; });
}

template <class T, class Device>
void copy(std::span<const T> x, std::span<T> y) {
    require_equal_length("copy", x, y);
    map<Device>(x, y, [=] FIRECAFFE_KERNEL(T v) { return v; });
}

template <class T, class Device>
void clear(std::span<T> to) {
    T* y = to.data();
    Launch<Device>::for_each(static_cast<std::int64_t>(to.size()),
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { y[i] = T(0); });
}

}  // namespace firecaffe::cuda
