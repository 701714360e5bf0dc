// SPDX-License-Identifier: Apache-2.0
// Twelve chains of multiply-adds: more than two units times a latency of four or five cycles need, and few enough for
// sixteen registers. All values tend to one, so none of them becomes slow (denormal).
#include "firecaffe/ops/multiply_adds.hpp"

#include <cstddef>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace firecaffe::ops {

namespace {

constexpr std::size_t kChains = 12;
constexpr float kShrink = 0.75f, kShift = 0.25f;

constexpr std::int64_t operations(std::int64_t rounds, std::size_t lanes) {
    return rounds * static_cast<std::int64_t>(2 * kChains * lanes);
}

/// Has the compiler believe that somebody reads the value, so that it has to make it.
template <class Value>
inline void keep(const Value& value) {
    asm volatile("" : : "m"(value));
}

#if defined(__x86_64__)

template <std::size_t... I>
[[gnu::target("avx512f")]] std::int64_t run_avx512(std::int64_t rounds, std::index_sequence<I...>) {
    const __m512 shrink = _mm512_set1_ps(kShrink), shift = _mm512_set1_ps(kShift);
    __m512 x[] = {_mm512_set1_ps(static_cast<float>(I))...};
    for (std::int64_t r = 0; r < rounds; ++r) ((x[I] = _mm512_fmadd_ps(x[I], shrink, shift)), ...);
    (keep(x[I]), ...);
    return operations(rounds, 16);
}

template <std::size_t... I>
[[gnu::target("avx2,fma")]] std::int64_t run_avx2(std::int64_t rounds, std::index_sequence<I...>) {
    const __m256 shrink = _mm256_set1_ps(kShrink), shift = _mm256_set1_ps(kShift);
    __m256 x[] = {_mm256_set1_ps(static_cast<float>(I))...};
    for (std::int64_t r = 0; r < rounds; ++r) ((x[I] = _mm256_fmadd_ps(x[I], shrink, shift)), ...);
    (keep(x[I]), ...);
    return operations(rounds, 8);
}

template <std::size_t... I>
std::int64_t run_sse2(std::int64_t rounds, std::index_sequence<I...>) {
    const __m128 shrink = _mm_set1_ps(kShrink), shift = _mm_set1_ps(kShift);
    __m128 x[] = {_mm_set1_ps(static_cast<float>(I))...};
    for (std::int64_t r = 0; r < rounds; ++r) ((x[I] = _mm_add_ps(_mm_mul_ps(x[I], shrink), shift)), ...);
    (keep(x[I]), ...);
    return operations(rounds, 4);
}

using Chains = std::make_index_sequence<kChains>;
std::int64_t avx512(std::int64_t rounds) {
    return run_avx512(rounds, Chains());
}
std::int64_t avx2(std::int64_t rounds) {
    return run_avx2(rounds, Chains());
}
std::int64_t sse2(std::int64_t rounds) {
    return run_sse2(rounds, Chains());
}

#else

std::int64_t scalar(std::int64_t rounds) {
    float x[kChains];
    for (std::size_t i = 0; i < kChains; ++i) x[i] = static_cast<float>(i);
    for (std::int64_t r = 0; r < rounds; ++r)
        for (float& each : x) each = each * kShrink + kShift;
    for (const float& each : x) keep(each);
    return operations(rounds, 1);
}

#endif

}  // namespace

std::vector<MultiplyAdds> multiply_adds() {
#if defined(__x86_64__)
    std::vector<MultiplyAdds> loops{{"SSE2", sse2}};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) loops.push_back({"AVX2 with FMA", avx2});
    if (__builtin_cpu_supports("avx512f")) loops.push_back({"AVX-512", avx512});
    return loops;
#else
    return {{"scalar", scalar}};
#endif
}

}  // namespace firecaffe::ops
