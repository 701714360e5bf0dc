// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/wire_type.hpp"

#include <cstring>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/half.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace firecaffe::comm {

namespace {

// The loops below read and write through memcpy, which compilers vectorise, as received bytes may lie anywhere.

template <class Format>
void narrow_as(float* values, std::byte* out, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const Format half(values[i]);
        std::memcpy(out + 2 * i, &half, 2);
        values[i] = static_cast<float>(half);
    }
}

template <class Format>
float load(const std::byte* in) {
    Format half;
    std::memcpy(&half, in, 2);
    return static_cast<float>(half);
}

template <class Format>
void widen_as(const std::byte* in, float* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) values[i] = load<Format>(in + 2 * i);
}

template <class Format>
void add_as(const std::byte* in, float* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) values[i] = values[i] + load<Format>(in + 2 * i);
}

#if defined(__x86_64__)

// Instructions for float16, which all processors with AVX2 have; the results are those of the loops above.
#define FIRECAFFE_F16C __attribute__((target("avx,f16c")))
constexpr std::size_t kLanes = 8;

bool has_f16c() {
    static const bool has = __builtin_cpu_supports("avx2");  // clang 14 knows no name for f16c here
    return has;
}

FIRECAFFE_F16C __m256 widened(const std::byte* in) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
}

// All three return how many elements they have done.
FIRECAFFE_F16C std::size_t narrow_lanes(float* values, std::byte* out, std::size_t count) {
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), half);
        _mm256_storeu_ps(values + i, _mm256_cvtph_ps(half));
    }
    return i;
}

FIRECAFFE_F16C std::size_t widen_lanes(const std::byte* in, float* values, std::size_t count) {
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) _mm256_storeu_ps(values + i, widened(in + 2 * i));
    return i;
}

FIRECAFFE_F16C std::size_t add_lanes(const std::byte* in, float* values, std::size_t count) {
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        _mm256_storeu_ps(values + i, _mm256_add_ps(_mm256_loadu_ps(values + i), widened(in + 2 * i)));
    return i;
}

#undef FIRECAFFE_F16C

#else

bool has_f16c() {
    return false;
}
std::size_t narrow_lanes(float*, std::byte*, std::size_t) {
    return 0;
}
std::size_t widen_lanes(const std::byte*, float*, std::size_t) {
    return 0;
}
std::size_t add_lanes(const std::byte*, float*, std::size_t) {
    return 0;
}

#endif

void check(DType wire) {
    if (wire != DType::bfloat16 && wire != DType::float16)
        throw UsageError("cannot send float32 as ", wire, "; use bfloat16 or float16");
}

}  // namespace

void narrow(DType wire, float* values, std::byte* out, std::size_t count) {
    check(wire);
    if (wire == DType::bfloat16) return narrow_as<bfloat16>(values, out, count);
    const std::size_t done = has_f16c() ? narrow_lanes(values, out, count) : 0;
    narrow_as<float16>(values + done, out + 2 * done, count - done);
}

void widen(DType wire, const std::byte* in, float* values, std::size_t count) {
    check(wire);
    if (wire == DType::bfloat16) return widen_as<bfloat16>(in, values, count);
    const std::size_t done = has_f16c() ? widen_lanes(in, values, count) : 0;
    widen_as<float16>(in + 2 * done, values + done, count - done);
}

void add_widened(DType wire, const std::byte* in, float* values, std::size_t count) {
    check(wire);
    if (wire == DType::bfloat16) return add_as<bfloat16>(in, values, count);
    const std::size_t done = has_f16c() ? add_lanes(in, values, count) : 0;
    add_as<float16>(in + 2 * done, values + done, count - done);
}

}  // namespace firecaffe::comm
