// SPDX-License-Identifier: Apache-2.0
// What max pooling knows of a window: the largest value so far and its place, for N neighbouring channels. Elements of
// two bytes are compared two at a time, by a GPU's instructions for pairs, and never become floats.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "backend/cuda/bodies/device_code.hpp"
#include "backend/cuda/bodies/pack.hpp"
#include "backend/cuda/bodies/real.hpp"

namespace firecaffe::cuda {

/// How the winner of a window of at most nine places is remembered: a bit for each of the first eight places, no bit
/// for the ninth. So one instruction tells for an element of a pack whether a place has won.
inline constexpr std::int64_t kCodedPlaces = 9;
FIRECAFFE_HOST_DEVICE constexpr std::uint32_t place_code(std::int64_t place) {
    return place < 8 ? 1U << place : 0U;
}

/// sum += gradient, if place `place` has won for element k of four, whose codes are in a word.
FIRECAFFE_HOST_DEVICE void add_won(float& sum, float gradient, std::uint32_t codes, int k, std::int64_t place) {
    const std::uint32_t code = place_code(place);
    const std::uint32_t bits = codes & (code != 0 ? code : 0xFFU) << (8 * k);
#ifdef __CUDA_ARCH__
    // An addition that is skipped or not; from an `if`, the compiler makes a choice between numbers and then adds.
    if (code != 0)
        asm("{.reg .pred p; setp.ne.u32 p, %1, 0; @p add.rn.f32 %0, %0, %2;}" : "+f"(sum) : "r"(bits), "f"(gradient));
    else
        asm("{.reg .pred p; setp.eq.u32 p, %1, 0; @p add.rn.f32 %0, %0, %2;}" : "+f"(sum) : "r"(bits), "f"(gradient));
#else
    if ((bits != 0) == (code != 0)) sum += gradient;
#endif
}

/// Of two elements side by side in a word: all bits where a's is greater than b's, none where it is not.
template <class T>
FIRECAFFE_HOST_DEVICE std::uint32_t greater_lanes(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
    const auto low = [](std::uint32_t word) { return static_cast<unsigned short>(word & 0xFFFFU); };
    const auto high = [](std::uint32_t word) { return static_cast<unsigned short>(word >> 16); };
    if constexpr (std::is_same_v<T, float16>)
        return __hgt2_mask(__halves2half2(__ushort_as_half(low(a)), __ushort_as_half(high(a))),
                           __halves2half2(__ushort_as_half(low(b)), __ushort_as_half(high(b))));
    else
        return __hgt2_mask(__halves2bfloat162(__ushort_as_bfloat16(low(a)), __ushort_as_bfloat16(high(a))),
                           __halves2bfloat162(__ushort_as_bfloat16(low(b)), __ushort_as_bfloat16(high(b))));
#else
    const auto at = [](std::uint32_t word) { return real(T::of_bits(static_cast<std::uint16_t>(word))); };
    return (at(a) > at(b) ? 0xFFFFU : 0U) | (at(a >> 16) > at(b >> 16) ? 0xFFFF0000U : 0U);
#endif
}

/// The lower bytes of four 16-bit lanes.
FIRECAFFE_HOST_DEVICE std::uint32_t lower_bytes(std::uint32_t first, std::uint32_t second) {
#ifdef __CUDA_ARCH__
    return __byte_perm(first, second, 0x6420);
#else
    return (first & 0xFFU) | (first >> 8 & 0xFF00U) | (second & 0xFFU) << 16 | (second << 8 & 0xFF000000U);
#endif
}

/// Reads and writes what lies at an address as a Block, in words: taking it apart and together again costs
/// instructions.
template <class Block, class T>
FIRECAFFE_HOST_DEVICE Block block_at(const T* from) {
#ifdef __CUDA_ARCH__
    return *reinterpret_cast<const Block*>(from);
#else
    Block block;
    std::memcpy(&block, from, sizeof block);
    return block;
#endif
}
template <class Block, class T>
FIRECAFFE_HOST_DEVICE void put_block(const Block& block, T* to) {
#ifdef __CUDA_ARCH__
    *reinterpret_cast<Block*>(to) = block;
#else
    std::memcpy(to, &block, sizeof block);
#endif
}

/// The codes of N elements, four in a word.
template <int N>
using Codes = PackedBytes<std::uint32_t, N / 4>;

/// N elements of T as they are compared: two of two bytes in a word, the first in its lower half.
template <class T, int N>
using Candidates = PackedBytes<std::conditional_t<sizeof(T) == 2, std::uint32_t, T>, sizeof(T) == 2 ? N / 2 : N>;

/// NaNs, which win against nothing.
template <class T, int N>
FIRECAFFE_HOST_DEVICE Candidates<T, N> no_candidates() {
    Candidates<T, N> none;
    for (auto& element : none.elements) {
        if constexpr (sizeof(T) == 2)
            element = 0xFFFFFFFFU;
        else
            element = std::numeric_limits<T>::quiet_NaN();
    }
    return none;
}

/// N is a multiple of four. The first of equals stays, and so does a NaN that is first.
template <class T, int N>
class BestPack {
  public:
    FIRECAFFE_HOST_DEVICE void start(const Candidates<T, N>& values, std::int64_t place) {
        values_ = values;
        for (int k = 0; k < N; ++k) codes_[k] = place_code(place);
    }
    FIRECAFFE_HOST_DEVICE void offer(const Candidates<T, N>& values, std::int64_t place) {
        for (int k = 0; k < N; ++k)
            if (values.elements[k] > values_.elements[k])
                values_.elements[k] = values.elements[k], codes_[k] = place_code(place);
    }
    FIRECAFFE_HOST_DEVICE void store(T* values, std::uint8_t* codes) const {
        Codes<N> words{};
        for (int k = 0; k < N; ++k) words.elements[k / 4] |= codes_[k] << (8 * (k % 4));
        put_block(values_, values);
        put_block(words, codes);
    }

  private:
    Candidates<T, N> values_{};
    std::uint32_t codes_[N] = {};
};

template <class T, int N>
requires(sizeof(T) == 2) class BestPack<T, N> {
  public:
    FIRECAFFE_HOST_DEVICE void start(const Candidates<T, N>& values, std::int64_t place) {
        values_ = values;
        for (int k = 0; k < N / 2; ++k) codes_[k] = place_code(place) * 0x10001U;
    }
    FIRECAFFE_HOST_DEVICE void offer(const Candidates<T, N>& values, std::int64_t place) {
        const std::uint32_t code = place_code(place) * 0x10001U;
        for (int k = 0; k < N / 2; ++k) {
            const std::uint32_t mine = values_.elements[k], other = values.elements[k];
            const std::uint32_t greater = greater_lanes<T>(other, mine);
            values_.elements[k] = (other & greater) | (mine & ~greater);
            codes_[k] = (code & greater) | (codes_[k] & ~greater);
        }
    }
    FIRECAFFE_HOST_DEVICE void store(T* values, std::uint8_t* codes) const {
        Codes<N> words;
        for (int k = 0; k < N / 4; ++k) words.elements[k] = lower_bytes(codes_[2 * k], codes_[2 * k + 1]);
        put_block(values_, values);
        put_block(words, codes);
    }

  private:
    Candidates<T, N> values_{};
    std::uint32_t codes_[N / 2] = {};
};

}  // namespace firecaffe::cuda
