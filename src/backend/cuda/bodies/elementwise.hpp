// SPDX-License-Identifier: Apache-2.0
// The functions of ops/ops.hpp that treat each element for itself, with the bits of ops/reference/elementwise.hpp.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/indexing.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "firecaffe/ops/dropout.hpp"
#include "firecaffe/ops/reference/elementwise.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::cuda {

using ops::reference::require_equal_length;

/// y[i] = f(x[i]), for packs of N elements. A thread takes two packs, and reads both before it writes one.
template <int N, class Device, class From, class To, class F>
void map_packs(const From* x, To* y, std::int64_t packs, const F& f) {
    const std::int64_t threads = (packs + 1) / 2;
    Launch<Device>::for_each(threads, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const std::int64_t at[2] = {i * N, (i + threads) * N};
        const int count = i + threads < packs ? 2 : 1;
        Pack<From, N> in[2];
        FIRECAFFE_UNROLL
        for (int j = 0; j < 2; ++j)
            if (j < count) in[j] = load<N>(x + at[j]);
        FIRECAFFE_UNROLL
        for (int j = 0; j < 2; ++j) {
            if (j == count) break;
            Pack<To, N> out;
            for (int k = 0; k < N; ++k) out[k] = f(in[j][k]);
            store(out, y + at[j]);
        }
    });
}

/// y[i] = f(a[i], b[i]), for packs of N elements, likewise.
template <int N, class Device, class T, class F>
void map_packs(const T* a, const T* b, T* y, std::int64_t packs, const F& f) {
    const std::int64_t threads = (packs + 1) / 2;
    Launch<Device>::for_each(threads, [=] FIRECAFFE_KERNEL(std::int64_t i) {
        const std::int64_t at[2] = {i * N, (i + threads) * N};
        const int count = i + threads < packs ? 2 : 1;
        Pack<T, N> first[2], second[2];
        FIRECAFFE_UNROLL
        for (int j = 0; j < 2; ++j)
            if (j < count) first[j] = load<N>(a + at[j]), second[j] = load<N>(b + at[j]);
        FIRECAFFE_UNROLL
        for (int j = 0; j < 2; ++j) {
            if (j == count) break;
            Pack<T, N> out;
            for (int k = 0; k < N; ++k) out[k] = f(first[j][k], second[j][k]);
            store(out, y + at[j]);
        }
    });
}

/// y[i] = f(x[i]); f takes and returns Real numbers, here and below. What fills no pack is treated by itself.
template <class Device, class From, class To, class F>
void map(std::span<const From> from, std::span<To> to, const F& f) {
    constexpr int N = kPack<From, To>;
    const From* x = from.data();
    To* y = to.data();
    const auto count = static_cast<std::int64_t>(from.size());
    const std::int64_t packs = is_aligned<N>(x) && is_aligned<N>(y) ? count / N : 0;
    map_packs<N, Device>(x, y, packs, f);
    map_packs<1, Device>(x + packs * N, y + packs * N, count - packs * N, f);
}

/// y[i] = f(a[i], b[i]).
template <class Device, class T, class F>
void map(std::span<const T> first, std::span<const T> second, std::span<T> to, const F& f) {
    constexpr int N = kPack<T>;
    const T* a = first.data();
    const T* b = second.data();
    T* y = to.data();
    const auto count = static_cast<std::int64_t>(first.size());
    const std::int64_t packs = is_aligned<N>(a) && is_aligned<N>(b) && is_aligned<N>(y) ? count / N : 0;
    map_packs<N, Device>(a, b, y, packs, f);
    map_packs<1, Device>(a + packs * N, b + packs * N, y + packs * N, count - packs * N, f);
}

template <class T, class Device>
void relu_forward(std::span<const T> x, std::span<T> y, Real<T> negative_slope) {
    using R = Real<T>;
    require_equal_length("relu", x, y);
    map<Device>(x, y,
                [=] FIRECAFFE_KERNEL(R v) { return v < 0 ? (negative_slope == 0 ? R(0) : negative_slope * v) : v; });
}

template <class T, class Device>
void relu_backward(std::span<const T> y, std::span<const T> dy, std::span<T> dx, Real<T> negative_slope) {
    using R = Real<T>;
    require_equal_length("relu", y, dy);
    require_equal_length("relu", y, dx);
    map<Device>(y, dy, dx, [=] FIRECAFFE_KERNEL(R v, R d) {
        return v > 0 ? d : (negative_slope == 0 ? R(0) : negative_slope * d);
    });
}

template <class T, class Device>
void accumulate(std::span<const T> x, std::span<T> y) {
    using R = Real<T>;
    require_equal_length("accumulate", x, y);
    map<Device>(std::span<const T>(y), x, y, [=] FIRECAFFE_KERNEL(R a, R b) { return a + b; });
}

template <class From, class To, class Device>
void convert(std::span<const From> x, std::span<To> y) {
    using R = Real<From>;
    require_equal_length("convert", x, y);
    map<Device>(x, y, [=] FIRECAFFE_KERNEL(R v) { return v; });
}

/// Of packs of N elements, as they are.
template <int N, class Device, class T>
void copy_packs(const T* x, T* y, std::int64_t packs) {
    Launch<Device>::for_each(packs,
                             [=] FIRECAFFE_KERNEL(std::int64_t i) { put_bytes(bytes_at<N>(x + i * N), y + i * N); });
}

template <class T, class Device>
void copy(std::span<const T> x, std::span<T> y) {
    require_equal_length("copy", x, y);
    constexpr int N = kPack<T>;
    const auto count = static_cast<std::int64_t>(x.size());
    const std::int64_t packs = is_aligned<N>(x.data()) && is_aligned<N>(y.data()) ? count / N : 0;
    copy_packs<N, Device>(x.data(), y.data(), packs);
    copy_packs<1, Device>(x.data() + packs * N, y.data() + packs * N, count - packs * N);
}

template <class T, class Device>
void clear(std::span<T> to) {
    using R = Real<T>;
    // What is read does not matter, and the compiler leaves it out.
    map<Device>(std::span<const T>(to), to, [=] FIRECAFFE_KERNEL(R) { return R(0); });
}

}  // namespace firecaffe::cuda
