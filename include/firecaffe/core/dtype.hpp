// SPDX-License-Identifier: Apache-2.0
// DType: the run-time name of an element type, for code that moves bytes (comm, reducer, model_io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace firecaffe {

/// bfloat16 and float16 (core/half.hpp) are for storing activations and for sending float32.
enum class DType : std::uint8_t { float32, float64, int32, int64, uint8, bfloat16, float16 };

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
    switch (dtype) {
        case DType::float32:
        case DType::int32: return 4;
        case DType::float64:
        case DType::int64: return 8;
        case DType::uint8: return 1;
        case DType::bfloat16:
        case DType::float16: return 2;
    }
    return 0;
}

inline std::string to_string(DType dtype) {
    switch (dtype) {
        case DType::float32: return "float32";
        case DType::float64: return "float64";
        case DType::int32: return "int32";
        case DType::int64: return "int64";
        case DType::uint8: return "uint8";
        case DType::bfloat16: return "bfloat16";
        case DType::float16: return "float16";
    }
    return "unknown";
}

/// dtype_of<float> == DType::float32, and so on.
template <class T>
inline constexpr DType dtype_of = [] { static_assert(sizeof(T) == 0, "no DType for this type"); return DType{}; }();
template <> inline constexpr DType dtype_of<float> = DType::float32;
template <> inline constexpr DType dtype_of<double> = DType::float64;
template <> inline constexpr DType dtype_of<std::int32_t> = DType::int32;
template <> inline constexpr DType dtype_of<std::int64_t> = DType::int64;
template <> inline constexpr DType dtype_of<std::uint8_t> = DType::uint8;

/// The type of parameters, their gradients, and all else that must not be rounded, where activations are of type T.
template <class T> struct MasterType { using type = T; };
template <class T> using Master = typename MasterType<T>::type;

}  // namespace firecaffe
