// SPDX-License-Identifier: Apache-2.0
// Whether all ranks make the same products of the same factors.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/random.hpp"
#include "firecaffe/sync/factor_choice.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {
namespace {

constexpr std::size_t kParts = 2;  // of a digest: a number of 32 bits is exact in double

template <class T>
T* elements(const Memory<Cpu>& memory) {
    return reinterpret_cast<T*>(memory.data());
}

/// Factors in [-0.5, 0.5), with bits enough that another order of additions, or another rounding, shows.
template <class T>
void draw(T* values, std::size_t count) {
    const RandomStream stream(0, RandomPurpose::filler);
    for (std::size_t i = 0; i < count; i += 4) {
        const RandomBlock block = stream.block(i / 4);
        for (std::size_t k = 0; k < std::min<std::size_t>(4, count - i); ++k)
            values[i + k] = static_cast<T>(block[k] >> 8) * T(0x1p-24) - T(0.5);
    }
}

/// Of bits, for a comparison without malice; as quick as memory is.
template <class T>
std::uint64_t digest(const T* values, std::size_t count) {
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += std::bit_cast<Bits>(values[i]) * (2 * std::uint64_t{i} + 1);
    return sum;
}

/// One after the other, per product.
template <class T>
std::vector<double> digests(const std::vector<GradientFactors<T>>& factors) {
    std::vector<double> found;
    for (const GradientFactors<T>& one : factors) {
        const std::size_t count = one.rows * one.columns;
        const Memory<Cpu> both(one.count() * sizeof(T)), product(count * sizeof(T));
        draw(elements<T>(both), one.count());
        one.multiply(elements<T>(both), elements<T>(product));
        const std::uint64_t bits = digest(elements<T>(product), count);
        found.push_back(static_cast<double>(bits >> 32));
        found.push_back(static_cast<double>(bits & 0xffffffffu));
    }
    return found;
}

}  // namespace

template <class T>
void check_products(Reducer& reducer, int shards, const ArenaLayout& layout,
                    const std::vector<GradientFactors<T>>& factors) {
    if (factors.empty()) return;
    const std::vector<double> own = digests(factors);
    std::vector<double> all(own.size() * static_cast<std::size_t>(reducer.size()));
    const auto of_rank = [&](int rank) { return all.begin() + static_cast<std::ptrdiff_t>(own.size()) * rank; };
    std::ranges::copy(own, of_rank(reducer.rank()));
    sum_over_ranks<double>(reducer, shards, comm::kFactorsBucket, all);
    // Nobody hears of a rank without shards; it hears of the others, and multiplies what they send.
    std::ranges::copy(own, of_rank(reducer.rank()));
    std::vector<int> ranks = contributing_ranks(reducer.size(), shards);
    const int first = ranks.front();
    if (std::ranges::find(ranks, reducer.rank()) == ranks.end()) ranks.push_back(reducer.rank());
    for (std::size_t i = 0; i < factors.size(); ++i) {
        std::string others;
        for (const int rank : ranks) {
            const auto at = static_cast<std::ptrdiff_t>(i * kParts);
            if (!std::equal(of_rank(rank) + at, of_rank(rank) + at + kParts, of_rank(first) + at))
                others += text(others.empty() ? "rank " : " and rank ", rank);
        }
        if (!others.empty())
            throw ConfigError("/reducer/factors: the product of the same factors of '",
                              layout.parameters()[factors[i].parameter].name, "' (", factors[i].rows, " x ",
                              factors[i].columns, ", ", factors[i].samples, " samples) has other bits on ", others,
                              " than on rank ", first,
                              ", so that their parameters would drift apart; use 'never', or machines of one kind");
    }
}

template void check_products(Reducer&, int, const ArenaLayout&, const std::vector<GradientFactors<float>>&);
template void check_products(Reducer&, int, const ArenaLayout&, const std::vector<GradientFactors<double>>&);

}  // namespace firecaffe
