// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace firecaffe::comm {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // 0x1EDC6F41 with its bits reversed

// kTables[k][b]: the effect of byte b that is followed by k zero bytes.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t crc = b;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        tables[0][b] = crc;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t b = 0; b < 256; ++b)
            tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
    return tables;
}

constexpr auto kTables = make_tables();

#if defined(__x86_64__)

// The instruction has a latency of three cycles and can start one per cycle: three blocks side by side triple the
// rate. Their results are joined by advancing a crc over kBlock zero bytes, which is linear and so four table look-ups.
constexpr std::size_t kBlock = 2048;

constexpr std::uint32_t advance_by_zeros(std::uint32_t crc, std::size_t zeros) {
    for (std::size_t i = 0; i < zeros; ++i) crc = (crc >> 8) ^ kTables[0][crc & 0xff];
    return crc;
}

std::array<std::array<std::uint32_t, 256>, 4> make_shift_tables() {
    std::array<std::uint32_t, 32> of_bit{};
    for (std::uint32_t bit = 0; bit < 32; ++bit) of_bit[bit] = advance_by_zeros(1u << bit, kBlock);
    std::array<std::array<std::uint32_t, 256>, 4> tables{};
    for (std::size_t k = 0; k < 4; ++k)
        for (std::size_t b = 0; b < 256; ++b)
            for (std::size_t bit = 0; bit < 8; ++bit)
                if ((b >> bit & 1) != 0) tables[k][b] ^= of_bit[8 * k + bit];
    return tables;
}

std::uint32_t shift_by_block(std::uint32_t crc) {
    static const auto tables = make_shift_tables();
    return tables[0][crc & 0xff] ^ tables[1][crc >> 8 & 0xff] ^ tables[2][crc >> 16 & 0xff] ^ tables[3][crc >> 24];
}

std::uint64_t load(const std::byte* from) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse(const std::byte* data, std::size_t size,
                                                           std::uint32_t start) {
    std::uint64_t crc = start;
    while (size >= 3 * kBlock) {
        std::uint64_t second = 0, third = 0;
        for (std::size_t i = 0; i < kBlock; i += 8) {
            crc = _mm_crc32_u64(crc, load(data + i));
            second = _mm_crc32_u64(second, load(data + kBlock + i));
            third = _mm_crc32_u64(third, load(data + 2 * kBlock + i));
        }
        crc = shift_by_block(static_cast<std::uint32_t>(crc)) ^ second;
        crc = shift_by_block(static_cast<std::uint32_t>(crc)) ^ third;
        data += 3 * kBlock;
        size -= 3 * kBlock;
    }
    for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, load(data));
    auto last = static_cast<std::uint32_t>(crc);
    for (; size > 0; ++data, --size) last = _mm_crc32_u8(last, std::to_integer<unsigned char>(*data));
    return last;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t crc) {
    crc = ~crc;
    const std::byte* data = bytes.data();
    std::size_t size = bytes.size();
    const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(data[i]); };
    for (; size >= 8; data += 8, size -= 8) {
        const std::uint32_t low = crc ^ (at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24);
        crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
              kTables[4][low >> 24] ^ kTables[3][at(4)] ^ kTables[2][at(5)] ^ kTables[1][at(6)] ^ kTables[0][at(7)];
    }
    for (std::size_t i = 0; i < size; ++i) crc = (crc >> 8) ^ kTables[0][(crc ^ at(i)) & 0xff];
    return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t crc) {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return ~crc32c_sse(bytes.data(), bytes.size(), ~crc);
#endif
    return crc32c_portable(bytes, crc);
}

}  // namespace firecaffe::comm
