// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC'11). A number is a pure function of a key and a counter, so there is no state to save, and threads,
// workers and restarts cannot change what is drawn.
#pragma once

#include <array>
#include <cstdint>

namespace firecaffe {

/// What a random number is for. The purpose is part of the key, so that streams never overlap.
enum class RandomPurpose : std::uint32_t { filler = 1, shuffle = 2, augment = 3, dropout = 4, synthetic = 5, codec = 6,
                                          user = 64 };

/// Four independent 32-bit numbers.
using RandomBlock = std::array<std::uint32_t, 4>;

/// One round function applied ten times; `key` and `counter` are the generator's whole input.
constexpr RandomBlock philox4x32(RandomBlock counter, std::array<std::uint32_t, 2> key) {
    constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
    constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = kMultiplier0 * counter[0];
        const std::uint64_t p1 = kMultiplier1 * counter[2];
        counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
                   static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
        key[0] += kWeyl0;
        key[1] += kWeyl1;
    }
    return counter;
}

/// A stream of random numbers named by (seed, purpose, a, b); position `i` of it can be read in any order.
/// `a` and `b` are 32-bit names inside the purpose: an epoch and a sample, a step and a layer, ...
class RandomStream {
  public:
    constexpr RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t a = 0, std::uint32_t b = 0)
        : key_{static_cast<std::uint32_t>(seed) ^ (static_cast<std::uint32_t>(purpose) * 0x9E3779B1u),
               static_cast<std::uint32_t>(seed >> 32) ^ static_cast<std::uint32_t>(purpose)},
          a_(a),
          b_(b) {}

    /// The four numbers 4*index .. 4*index+3 of the stream.
    constexpr RandomBlock block(std::uint64_t index) const {
        return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), a_, b_}, key_);
    }

    /// The key, and the two counter words above the index: what a vectorised copy of `block` needs.
    constexpr std::array<std::uint32_t, 2> key() const { return key_; }
    constexpr std::array<std::uint32_t, 2> name() const { return {a_, b_}; }

    /// Number `i` of the stream.
    constexpr std::uint32_t bits(std::uint64_t i) const { return block(i / 4)[i % 4]; }

    /// Uniform in [0, bound), without bias beyond 2^-32 * bound. `bound` must be positive.
    constexpr std::uint32_t below(std::uint64_t i, std::uint32_t bound) const {
        return static_cast<std::uint32_t>((std::uint64_t{bits(i)} * bound) >> 32);
    }

    /// Uniform in [0, 1) with 24 random bits.
    constexpr float uniform(std::uint64_t i) const { return static_cast<float>(bits(i) >> 8) * 0x1p-24f; }

    /// Standard normal, by Box and Muller from numbers 2*(i/2) and 2*(i/2)+1; computed in double, rounded once.
    double normal(std::uint64_t i) const;

  private:
    std::array<std::uint32_t, 2> key_;
    std::uint32_t a_, b_;
};

}  // namespace firecaffe
