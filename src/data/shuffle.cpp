// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/shuffle.hpp"

#include <cmath>

#include "data/checks.hpp"

namespace firecaffe {

namespace {

/// The smallest a with a*a >= n. The double is off by little; the loops repair that.
std::uint64_t ceil_sqrt(std::uint64_t n) {
    auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n)));
    while (root > 0 && (root - 1) * (root - 1) >= n) --root;
    while (root * root < n) ++root;
    return root;
}

/// Fewer would do for large sets; with 24 all orders of six samples are equally likely, too.
constexpr std::uint64_t kRounds = 24;

/// (a + b) mod m for a, b < m.
std::uint64_t add_modulo(std::uint64_t a, std::uint64_t b, std::uint64_t m) {
    return a + b < m ? a + b : a + b - m;
}

}  // namespace

Permutation::Permutation(std::uint64_t size, std::uint64_t seed, std::uint32_t epoch)
    : size_(size), left_extent_(1), right_extent_(1), stream_(seed, RandomPurpose::shuffle, epoch) {
    if (size >> 62 != 0) throw UsageError("a permutation of ", size, " elements; at most 2^62 are supported");
    if (size == 0) return;
    left_extent_ = ceil_sqrt(size);
    right_extent_ = (size + left_extent_ - 1) / left_extent_;
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
    data_detail::check_index("Permutation", index, size_);
    // Both halves are below 2^32, which leaves the upper word of the counter to the round.
    const auto draw = [this](std::uint64_t round, std::uint64_t half, std::uint64_t bound) {
        return stream_.block(round << 32 | half)[0] * bound >> 32;
    };
    do {
        std::uint64_t left = index / right_extent_, right = index % right_extent_;
        for (std::uint64_t round = 0; round < kRounds; round += 2) {
            left = add_modulo(left, draw(round, right, left_extent_), left_extent_);
            right = add_modulo(right, draw(round + 1, left, right_extent_), right_extent_);
        }
        index = left * right_extent_ + right;
    } while (index >= size_);
    return index;
}

std::size_t ShuffledDataset::inner_index(std::uint32_t epoch, std::size_t index) const {
    return static_cast<std::size_t>(Permutation(inner().size(), seed_, epoch)(index));
}

void ShuffledDataset::get(std::uint32_t epoch, std::size_t index, Sample& sample) const {
    inner().get(epoch, inner_index(epoch, index), sample);
}

void ShuffledDataset::get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const {
    inner().get_bytes(epoch, inner_index(epoch, index), sample);
}

}  // namespace firecaffe
