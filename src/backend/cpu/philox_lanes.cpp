// SPDX-License-Identifier: Apache-2.0
// The body is written once, in plain loops over many lanes, and compiled for each instruction set; the best one is
// chosen at run time. (By hand, as the resolvers behind target_clones run before the sanitizers are ready.)
#include "backend/cpu/philox_lanes.hpp"

#include <algorithm>
#include <array>

namespace firecaffe::ops::cpu {
namespace {

// Longer than any register: compilers then keep the loops as loops, and vectorise them well.
constexpr std::size_t kLanes = 64;
using Lanes = std::uint32_t[kLanes];

struct Request {
    std::array<std::uint32_t, 2> key, name;
    std::uint64_t first, step;
    std::size_t count;
    std::uint32_t threshold;
    bool planar;
    std::uint32_t* keep;
};

[[gnu::always_inline]] inline void rounds(Lanes& c0, Lanes& c1, Lanes& c2, Lanes& c3,
                                          std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0[lane];
            const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2[lane];
            c0[lane] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[lane] ^ key[0];
            c1[lane] = static_cast<std::uint32_t>(p1);
            c2[lane] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[lane] ^ key[1];
            c3[lane] = static_cast<std::uint32_t>(p0);
        }
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
}

[[gnu::always_inline]] inline void keep_blocks(const Request& request) {
    alignas(64) Lanes c0, c1, c2, c3;
    for (std::size_t begin = 0; begin < request.count; begin += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const std::uint64_t index = request.first + (begin + lane) * request.step;
            c0[lane] = static_cast<std::uint32_t>(index);
            c1[lane] = static_cast<std::uint32_t>(index >> 32);
            c2[lane] = request.name[0];
            c3[lane] = request.name[1];
        }
        rounds(c0, c1, c2, c3, request.key);
        for (Lanes* number : {&c0, &c1, &c2, &c3})
            for (std::uint32_t& bits : *number) bits = bits >= request.threshold ? ~0u : 0u;

        const std::size_t lanes = std::min(kLanes, request.count - begin);
        if (request.planar) {
            std::uint32_t* row = request.keep + begin;
            for (const Lanes* number : {&c0, &c1, &c2, &c3}) {
                std::copy_n(*number, lanes, row);
                row += request.count;
            }
        } else {
            std::uint32_t* group = request.keep + 4 * begin;
            for (std::size_t lane = 0; lane < lanes; ++lane) {
                group[4 * lane] = c0[lane];
                group[4 * lane + 1] = c1[lane];
                group[4 * lane + 2] = c2[lane];
                group[4 * lane + 3] = c3[lane];
            }
        }
    }
}

using Body = void (*)(const Request&);

void keep_blocks_anywhere(const Request& request) {
    keep_blocks(request);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void keep_blocks_avx2(const Request& request) {
    keep_blocks(request);
}
[[gnu::target("avx512f")]] void keep_blocks_avx512(const Request& request) {
    keep_blocks(request);
}

Body choose_body() {
    if (__builtin_cpu_supports("avx512f")) return keep_blocks_avx512;
    if (__builtin_cpu_supports("avx2")) return keep_blocks_avx2;
    return keep_blocks_anywhere;
}
#else
Body choose_body() {
    return keep_blocks_anywhere;
}
#endif

void run(const Request& request) {
    static const Body body = choose_body();
    body(request);
}

}  // namespace

void philox_keep_interleaved(const RandomStream& stream, std::uint64_t first, std::uint64_t step, std::size_t count,
                             std::uint32_t threshold, std::uint32_t* keep) {
    run({stream.key(), stream.name(), first, step, count, threshold, false, keep});
}

void philox_keep_planar(const RandomStream& stream, std::uint64_t first, std::uint64_t step, std::size_t count,
                        std::uint32_t threshold, std::uint32_t* keep) {
    run({stream.key(), stream.name(), first, step, count, threshold, true, keep});
}

}  // namespace firecaffe::ops::cpu
