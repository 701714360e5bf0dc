// SPDX-License-Identifier: Apache-2.0
// Elements as kernels compute with them: bfloat16 and float16 become float, and are rounded once, when they are stored.
// On a GPU by its instructions, whose results are those of core/half.hpp (but that a NaN loses what it carries).
#pragma once

#include <cstdint>
#include <type_traits>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/core/half.hpp"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace firecaffe::cuda {

/// The type to compute in, which is that of parameters, too.
template <class T>
using Real = Master<T>;

template <class T>
FIRECAFFE_HOST_DEVICE Real<T> real(T value) {
    if constexpr (std::is_same_v<T, Real<T>>) {
        return value;
    } else {
#ifdef __CUDA_ARCH__
        if constexpr (std::is_same_v<T, float16>)
            return __half2float(__ushort_as_half(value.bits));
        else
            return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
#else
        return static_cast<float>(value);
#endif
    }
}

/// Of T, from a Real<T>.
template <class T>
FIRECAFFE_HOST_DEVICE T rounded(Real<T> value) {
    if constexpr (std::is_same_v<T, Real<T>>) {
        return value;
    } else {
#ifdef __CUDA_ARCH__
        if constexpr (std::is_same_v<T, float16>)
            return T::of_bits(__half_as_ushort(__float2half_rn(value)));
        else
            return T::of_bits(__bfloat16_as_ushort(__float2bfloat16_rn(value)));
#else
        return T(value);
#endif
    }
}

/// Of another type: the number itself where To has all bits of it, else rounded.
template <class To, class From>
FIRECAFFE_HOST_DEVICE To recast(From value) {
    if constexpr (std::is_same_v<To, From>)
        return value;
    else
        return rounded<To>(real(value));
}

/// In double, for sums.
template <class T>
FIRECAFFE_HOST_DEVICE double exactly(T value) {
    return static_cast<double>(real(value));
}

}  // namespace firecaffe::cuda
