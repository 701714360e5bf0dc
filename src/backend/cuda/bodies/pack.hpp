// SPDX-License-Identifier: Apache-2.0
// Several neighbouring elements at once: a GPU's memory is only as fast as it can be where a thread moves 16 bytes.
#pragma once

#include <cstdint>
#include <cstring>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/real.hpp"

namespace firecaffe::cuda {

/// Elements that one thread treats: 16 bytes of the narrower of two types, and of double, which nobody trains in, one.
template <class T, class Other = T>
inline constexpr int kPack = sizeof(T) == 8
                                 ? 1
                                 : 16 / static_cast<int>(sizeof(T) < sizeof(Other) ? sizeof(T) : sizeof(Other));

/// Whether packs of N elements may begin here.
template <int N, class T>
bool is_aligned(const T* data) {
    constexpr std::uintptr_t kBytes = N * sizeof(T) < 16 ? N * sizeof(T) : 16;
    return reinterpret_cast<std::uintptr_t>(data) % kBytes == 0;
}

/// N elements as numbers. Where they lie is a multiple of their bytes, or of 16.
template <class T, int N>
struct Pack {
    Real<T> values[N];

    FIRECAFFE_HOST_DEVICE Real<T>& operator[](int k) { return values[k]; }
    FIRECAFFE_HOST_DEVICE const Real<T>& operator[](int k) const { return values[k]; }
};

/// The bytes of N elements, in words that a GPU moves at once.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) PackedBytes {
    T elements[N];
};

template <int N, class T>
FIRECAFFE_HOST_DEVICE PackedBytes<T, N> bytes_at(const T* from) {
    return *reinterpret_cast<const PackedBytes<T, N>*>(from);
}
template <class T, int N>
FIRECAFFE_HOST_DEVICE void put_bytes(const PackedBytes<T, N>& bytes, T* to) {
    *reinterpret_cast<PackedBytes<T, N>*>(to) = bytes;
}

template <class T, int N>
FIRECAFFE_HOST_DEVICE Pack<T, N> numbers(const PackedBytes<T, N>& bytes) {
    Pack<T, N> pack;
    for (int k = 0; k < N; ++k) pack[k] = real(bytes.elements[k]);
    return pack;
}

template <int N, class T>
FIRECAFFE_HOST_DEVICE Pack<T, N> load(const T* from) {
    return numbers(bytes_at<N>(from));
}

template <class T, int N>
FIRECAFFE_HOST_DEVICE void store(const Pack<T, N>& pack, T* to) {
    PackedBytes<T, N> bytes;
    for (int k = 0; k < N; ++k) bytes.elements[k] = rounded<T>(pack[k]);
    put_bytes(bytes, to);
}

}  // namespace firecaffe::cuda
