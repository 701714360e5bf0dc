// SPDX-License-Identifier: Apache-2.0
// Shuffles and shards.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/shard.hpp"
#include "firecaffe/data/shuffle.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

std::vector<std::uint64_t> order(std::uint64_t size, std::uint64_t seed, std::uint32_t epoch) {
    const Permutation permutation(size, seed, epoch);
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < size; ++i) out.push_back(permutation(i));
    return out;
}

}  // namespace

TEST_CASE("a permutation is a bijection for every size") {
    std::vector<std::uint64_t> sizes{60000, 65536, 65537};
    for (std::uint64_t size = 0; size <= 130; ++size) sizes.push_back(size);
    for (const std::uint64_t size : sizes) {
        std::vector<std::uint64_t> all(size);
        std::iota(all.begin(), all.end(), std::uint64_t{0});
        for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
            std::vector<std::uint64_t> seen = order(size, 42, epoch);
            std::sort(seen.begin(), seen.end());
            REQUIRE(seen == all);
        }
    }
}

TEST_CASE("permutations differ between epochs and seeds, and can be called again") {
    CHECK(order(60000, 1, 0) != order(60000, 1, 1));
    CHECK(order(60000, 1, 0) != order(60000, 2, 0));
    CHECK(order(60000, 1, 7) == order(60000, 1, 7));
    CHECK(order(7, 1, 0) != order(7, 1, 1));
    const std::vector<std::uint64_t> once = order(60000, 1, 0);
    double correlation = 0;  // between position and sample, and of neighbours
    double neighbours = 0;
    for (std::size_t i = 0; i < once.size(); ++i) {
        correlation += (static_cast<double>(i) - 29999.5) * (static_cast<double>(once[i]) - 29999.5);
        neighbours += once[i] + 1 == once[(i + 1) % once.size()];
    }
    CHECK(std::abs(correlation) / (60000.0 * 60000.0 * 60000.0 / 12.0) < 0.02);  // standard deviation 0.004
    CHECK(neighbours < 10);                                                      // one is expected
}

TEST_CASE("small permutations occur equally often") {
    for (const std::uint64_t size : {2u, 3u, 4u, 5u, 6u}) {
        std::map<std::vector<std::uint64_t>, int> count;
        double kinds = 1;
        for (std::uint64_t k = 2; k <= size; ++k) kinds *= static_cast<double>(k);
        const int draws = static_cast<int>(kinds) * 100;
        for (int epoch = 0; epoch < draws; ++epoch) ++count[order(size, 5, static_cast<std::uint32_t>(epoch))];
        CHECK(count.size() == static_cast<std::size_t>(kinds));
        double chi_square = 0;
        for (const auto& entry : count) chi_square += (entry.second - 100.0) * (entry.second - 100.0) / 100.0;
        const double freedom = kinds - 1;
        CHECK(chi_square < freedom + 4 * std::sqrt(2 * freedom));
    }
}

TEST_CASE("large permutations stay in range") {
    for (const std::uint64_t size : {std::uint64_t{1} << 40, (std::uint64_t{1} << 62) - 1}) {
        const Permutation permutation(size, 3, 0);
        for (std::uint64_t i = 0; i < 100; ++i) CHECK(permutation(size - 1 - i * (size / 128)) < size);
        CHECK_THROWS_AS(permutation(size), UsageError);
    }
    CHECK_THROWS_AS(Permutation(std::uint64_t{1} << 62, 0, 0), UsageError);
    CHECK_THROWS_AS(Permutation(0, 0, 0)(0), UsageError);
}

TEST_CASE("a shuffled set has each sample once, under its own id") {
    const ShuffledDataset set(counting_set(61), 9);
    CHECK(set.size() == 61);
    std::vector<int> seen(61);
    for (std::size_t i = 0; i < 61; ++i) {
        const Read sample = read(set, i, 4);
        CHECK(sample.pixels[0] == static_cast<float>(100 * sample.id));
        ++seen[sample.id];
    }
    CHECK(seen == std::vector<int>(61, 1));
    CHECK_THROWS_AS(read(set, 61), UsageError);
    CHECK_THROWS_AS(ShuffledDataset(nullptr, 1), UsageError);
    CHECK(ShuffledDataset(counting_set(0), 1).size() == 0);
}

TEST_CASE("shards are contiguous, do not overlap and cover the set") {
    for (const std::size_t size : {0u, 1u, 2u, 7u, 60u, 61u}) {
        const auto whole = counting_set(size);
        for (const std::size_t parts : {1u, 2u, 3u, 7u, 8u}) {
            std::vector<std::uint64_t> ids;
            std::size_t smallest = size, largest = 0;
            for (std::size_t part = 0; part < parts; ++part) {
                const ShardedDataset shard(whole, part, parts);
                smallest = std::min(smallest, shard.size());
                largest = std::max(largest, shard.size());
                for (std::size_t i = 0; i < shard.size(); ++i) ids.push_back(read(shard, i).id);
                CHECK_THROWS_AS(read(shard, shard.size()), UsageError);
            }
            std::vector<std::uint64_t> all(size);
            std::iota(all.begin(), all.end(), std::uint64_t{0});
            CHECK(ids == all);
            CHECK(largest - smallest <= 1);
        }
    }
    CHECK_THROWS_AS(ShardedDataset(counting_set(5), 2, 2), UsageError);
    CHECK_THROWS_AS(ShardedDataset(counting_set(5), 0, 0), UsageError);
    CHECK_THROWS_AS(ShardedDataset(nullptr, 0, 1), UsageError);
}

TEST_CASE("a range has the samples it names") {
    const RangeDataset range(counting_set(10), 3, 4);
    CHECK(range.size() == 4);
    CHECK(read(range, 0).id == 3);
    CHECK(read(range, 3).id == 6);
    CHECK(RangeDataset(counting_set(10), 10, 0).size() == 0);
    CHECK_THROWS_AS(RangeDataset(counting_set(10), 3, 8), UsageError);
    CHECK_THROWS_AS(RangeDataset(counting_set(10), 11, 0), UsageError);
    CHECK_THROWS_AS(RangeDataset(counting_set(10), 1, std::numeric_limits<std::size_t>::max()), UsageError);
}
