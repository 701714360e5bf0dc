// SPDX-License-Identifier: Apache-2.0
// Every scheme, run on threads.
#include "catch.hpp"

#include <cmath>
#include <limits>
#include <set>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/core/error.hpp"
#include "partials.hpp"
#include "ranks.hpp"
#include "scheme_variants.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

template <class T>
bool near(const std::vector<T>& sum, const std::vector<std::vector<T>>& shards) {
    for (std::size_t i = 0; i < sum.size(); ++i) {
        long double exact = 0, size = 0;
        for (const auto& shard : shards) exact += shard[i], size += std::abs(shard[i]);
        const long double bound = size * static_cast<long double>(shards.size()) * std::numeric_limits<T>::epsilon();
        if (!(std::abs(static_cast<long double>(sum[i]) - exact) <= bound)) return false;
    }
    return true;
}

template <class T>
void check_sums(const Variant& variant, int p, const std::vector<std::vector<T>>& data, ExecutorOptions options) {
    const int v = static_cast<int>(data.size());
    const std::size_t count = data[0].size();
    INFO(variant.name() << ", " << p << " ranks, " << v << " shards, " << count << " elements");
    const Plan plan = variant.scheme->plan(p, v, variant.options);
    const auto expected = canonical_sum(data);
    std::vector<std::vector<T>> sums(static_cast<std::size_t>(p));
    const auto errors = run_ranks(p, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        Executor executor(*transport, options);
        for (std::uint64_t sequence = 0; sequence < 2; ++sequence) {
            auto slots = make_slots(data, rank, p);
            executor.run(plan, pointers(slots), count, dtype_of<T>, {.sequence = sequence});
            sums[static_cast<std::size_t>(rank)] = slots[0];
        }
        transport->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    for (const auto& sum : sums) REQUIRE(same_bits(sum, sums[0]));
    REQUIRE((plan.canonical ? same_bits(sums[0], expected) : near(sums[0], data)));
}

template <class T>
void check_lengths(int p, int v) {
    constexpr std::size_t kLongest = sizeof(T) == sizeof(float) ? 1'000'000 : 100'000;
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1001}, kLongest}) {
        if (count > 1001 && v != p) continue;
        const auto data = make_shards<T>(v, count);
        for (const Variant& variant : variants(p)) {
            check_sums(variant, p, data, {.chunk_bytes = variant.scheme->pipelined ? 256 * 1024 : kWholeRequest});
            if (count == 1001) check_sums(variant, p, data, {.chunk_bytes = 100});
        }
    }
}

}  // namespace

TEST_CASE("every scheme sums floats on threads") {
    for (const int p : {1, 2, 3, 4, 5, 8}) {
        for (const int v : std::set<int>{p, 6}) check_lengths<float>(p, v);
    }
}

TEST_CASE("every scheme sums doubles on threads") {
    for (const int p : {1, 2, 3, 4, 5, 8}) {
        for (const int v : std::set<int>{p, 6}) check_lengths<double>(p, v);
    }
}
