// SPDX-License-Identifier: Apache-2.0
// bfloat16 and float16: floating point in two bytes, to store and to send. Nothing is computed in them: a value becomes
// a float first, exactly, and a float is rounded once when it is stored.
//
//   bfloat16   8 bits of exponent, as float has, and 7 of mantissa: rounds by at most 2^-8 of a value
//   float16    IEEE 754 half precision, 5 and 10: at most 2^-11; the greatest is 65504, values from 65520 on become
//              infinite, and below 2^-14 steps stay 2^-24
//
// Rounding is to nearest, and of two equally near values to the even one. NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe {

struct bfloat16 {
    std::uint16_t bits;

    bfloat16() = default;
    constexpr explicit bfloat16(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
    static constexpr bfloat16 of_bits(std::uint16_t bits) {
        bfloat16 value{};
        value.bits = bits;
        return value;
    }
    constexpr explicit operator float() const {
        return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    }
    constexpr explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
    friend constexpr bool operator==(bfloat16 a, bfloat16 b) { return static_cast<float>(a) == static_cast<float>(b); }

  private:
    static constexpr std::uint16_t rounded(std::uint32_t value) {
        const bool nan = (value & 0x7fffffff) > 0x7f800000;
        const std::uint32_t nearest = value + 0x7fff + (value >> 16 & 1);
        return static_cast<std::uint16_t>((nan ? value | 0x400000 : nearest) >> 16);  // a quiet NaN keeps a bit set
    }
};

struct float16 {
    std::uint16_t bits;

    float16() = default;
    constexpr explicit float16(float value) : bits(rounded(std::bit_cast<std::uint32_t>(value))) {}
    static constexpr float16 of_bits(std::uint16_t bits) {
        float16 value{};
        value.bits = bits;
        return value;
    }
    constexpr explicit operator float() const {
        const std::uint32_t sign = (bits & 0x8000u) << 16, size = bits & 0x7fffu;
        if (size >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (size & 0x3ff) << 13);
        if (size >= 0x400) return std::bit_cast<float>(sign | ((size << 13) + (112u << 23)));
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(size) * 0x1p-24f));
    }
    constexpr explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
    friend constexpr bool operator==(float16 a, float16 b) { return static_cast<float>(a) == static_cast<float>(b); }

  private:
    static constexpr std::uint16_t rounded(std::uint32_t value) {
        const std::uint32_t sign = value >> 16 & 0x8000, size = value & 0x7fffffff;
        std::uint32_t half = 0;
        if (size > 0x7f800000) {
            half = 0x7e00 | (size >> 13 & 0x3ff);
        } else if (size >= 0x47800000) {  // 65536 and more
            half = 0x7c00;
        } else if (size >= 0x38800000) {                                    // 2^-14 and more: normal
            half = (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13;  // may carry into the exponent, to infinity
        } else {
            // The sum with 2^-1 has its last bit at 2^-24, as a subnormal half has, and is rounded as it should be.
            const float sum = std::bit_cast<float>(size) + 0.5f;
            half = std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5f);
        }
        return static_cast<std::uint16_t>(sign | half);
    }
};

template <> inline constexpr DType dtype_of<bfloat16> = DType::bfloat16;
template <> inline constexpr DType dtype_of<float16> = DType::float16;
template <> struct MasterType<bfloat16> { using type = float; };
template <> struct MasterType<float16> { using type = float; };

}  // namespace firecaffe
