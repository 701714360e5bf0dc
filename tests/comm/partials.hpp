// SPDX-License-Identifier: Apache-2.0
// Gradients of shards, partial sums of ranks, and comparisons of bits, for tests.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/core/random.hpp"

// Values of very different sizes, so that another order of additions gives other bits.
template <class T>
std::vector<std::vector<T>> make_shards(int shards, std::size_t count) {
    std::vector<std::vector<T>> all;
    for (int s = 0; s < shards; ++s) {
        const firecaffe::RandomStream stream(99, firecaffe::RandomPurpose::filler, static_cast<std::uint32_t>(s), 0);
        std::vector<T> one(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto bits = stream.bits(i);
            const T value = static_cast<T>(static_cast<std::int32_t>(bits));
            one[i] = bits % 3 == 0 ? value : value / T(65536) / T(7);
        }
        all.push_back(std::move(one));
    }
    return all;
}

// Shards of whole numbers, so that every order of adding gives the same sum.
template <class T>
std::vector<std::vector<T>> whole_numbers(int shards, std::size_t count) {
    std::vector<std::vector<T>> all(static_cast<std::size_t>(shards), std::vector<T>(count));
    for (std::size_t s = 0; s < all.size(); ++s)
        for (std::size_t i = 0; i < count; ++i) all[s][i] = static_cast<T>(1 + (i + 3 * s) % 7);
    return all;
}

// The slots of one rank: its partial sums, or one slot of rubbish.
template <class T>
std::vector<std::vector<T>> make_slots(const std::vector<std::vector<T>>& shards, int rank, int ranks) {
    const int v = static_cast<int>(shards.size());
    std::vector<std::vector<T>> slots;
    for (const firecaffe::ShardNode& node : firecaffe::maximal_nodes(firecaffe::shard_block(rank, ranks, v), v)) {
        slots.push_back(firecaffe::comm::canonical_sum(
            std::vector<std::vector<T>>(shards.begin() + node.begin(), shards.begin() + node.end(v))));
    }
    if (slots.empty()) slots.emplace_back(shards[0].size(), T(-12345));
    return slots;
}

template <class T>
std::vector<std::byte*> pointers(std::vector<std::vector<T>>& slots) {
    std::vector<std::byte*> out;
    for (auto& slot : slots) out.push_back(reinterpret_cast<std::byte*>(slot.data()));
    return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
