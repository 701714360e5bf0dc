// SPDX-License-Identifier: Apache-2.0
// Gradients that travel as factors: the bits of the sums, and the rule that chooses.
#include "catch.hpp"

#include <cmath>

#include "comm/ranks.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/random.hpp"
#include "firecaffe/reducer/background.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/local.hpp"
#include "firecaffe/reducer/tree.hpp"
#include "firecaffe/sync/factor_choice.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using Exchange = GradientExchange<float, Cpu>;
using Factors = GradientFactors<float>;

namespace {

constexpr std::size_t kSamples = 3;

/// Three matrices, of which two lie side by side and one at the end, and vectors.
ArenaLayout layout() {
    ArenaLayout layout;
    layout.add("v", Shape{5}, 1, 1);
    layout.add("a", Shape{7, 4}, 1, 1);
    layout.add("b", Shape{2, 30}, 1, 1);
    layout.add("w", Shape{33}, 1, 1);
    layout.add("c", Shape{3, 3}, 1, 1);
    return layout;
}

Factors factors_of(const ArenaLayout& layout, std::size_t parameter) {
    const Shape& shape = layout.parameters()[parameter].shape;
    Factors f{.parameter = parameter,
              .samples = kSamples,
              .rows = static_cast<std::size_t>(shape[0]),
              .columns = static_cast<std::size_t>(shape[1])};
    f.multiply = [rows = f.rows, columns = f.columns, right = f.right()](const float* from, float* gradient) {
        for (std::size_t i = 0; i < rows * columns; ++i) {
            gradient[i] = 0;
            for (std::size_t k = 0; k < kSamples; ++k)
                gradient[i] += from[k * rows + i / columns] * from[right + k * columns + i % columns];
        }
    };
    return f;
}

std::vector<Factors> all_factors() {
    return {factors_of(layout(), 1), factors_of(layout(), 2), factors_of(layout(), 4)};
}

float draw(std::uint32_t step, int shard, std::size_t i) {
    const RandomStream stream(step, RandomPurpose::user, static_cast<std::uint32_t>(shard));
    return static_cast<float>(stream.normal(i));
}

/// A backward pass: matrices' gradients are products of factors, whether or not these are to travel.
void compute(Exchange& exchange, std::uint32_t step, int shard) {
    auto lease = exchange.acquire(shard);
    const ArenaLayout where = layout();
    for (std::size_t i = 0; i < lease.gradients().extent(); ++i) lease.gradients().data()[i] = draw(step, shard, i);
    for (const Factors& f : all_factors()) {
        std::vector<float> values(f.count());
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = draw(step, shard, 1000 * f.parameter + i);
        f.multiply(values.data(), lease.gradients().of(where.parameters()[f.parameter]).data());
        if (lease.factors().empty()) continue;
        const FactorPlace<float>& place = lease.factors()[f.parameter];
        if (place.left == nullptr) continue;
        std::copy_n(values.begin(), kSamples * f.rows, place.left);
        std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(f.right()), kSamples * f.columns, place.right);
    }
    for (const ParameterInfo& p : where.parameters()) lease.gradients_ready(p.offset);
    lease.gradients_ready(where.size());
}

/// Parameters and the tail. What lies between is nobody's; it is not summed where only factors travel.
std::vector<float> without_gaps(std::span<const float> arena) {
    const ArenaLayout where = layout();
    std::vector<float> found;
    const auto take = [&](std::span<const float> part) { found.insert(found.end(), part.begin(), part.end()); };
    for (const ParameterInfo& p : where.parameters()) take(arena.subspan(p.offset, p.count));
    take(arena.subspan(where.size()));
    return found;
}

/// The sums of the last of two steps, equal on all ranks.
std::vector<float> sums(const std::string& type, int ranks, int shards, ExchangeOptions options,
                        const std::vector<Factors>& factors) {
    options.shards = shards;
    options.tail = 16;
    std::vector<std::vector<float>> results(static_cast<std::size_t>(ranks));
    const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> transport) {
        const auto reducer = ReducerRegistry().make({.type = type}, std::move(transport), shards);
        Exchange exchange(layout(), options, *reducer, factors);
        for (std::uint32_t step = 0; step < 2; ++step) {
            exchange.begin_step(step);
            for (int s = exchange.block().begin; s < exchange.block().end; ++s) compute(exchange, step, s);
            exchange.finish_compute();
            const std::span<const float> all = exchange.wait(exchange.buckets().size() - 1);
            results[static_cast<std::size_t>(rank)] = without_gaps(all);
        }
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    for (const auto& one : results) REQUIRE(one == results[0]);
    return results[0];
}

}  // namespace

TEST_CASE("factors give the bits of the canonical sum, for any number of ranks and shards") {
    for (const int shards : {1, 2, 3, 5, 6, 7, 8, 12}) {
        const std::vector<float> expected = sums("tree", 1, shards, {}, {});
        for (const int ranks : {1, 2, 3, 4, 5, 9}) {
            CAPTURE(shards, ranks);
            CHECK(sums("tree", ranks, shards, {.bucket_bytes = 64}, all_factors()) == expected);
        }
    }
}

TEST_CASE("factors of some parameters, in few buckets, without overlap, and by any scheme") {
    const std::vector<float> expected = sums("tree", 1, 6, {}, {});
    for (const bool overlap : {true, false})
        for (std::size_t i = 0; i < 3; ++i) {
            CAPTURE(overlap, i);
            CHECK(sums("tree", 4, 6, {.overlap = overlap}, {all_factors()[i]}) == expected);
        }
    for (const char* type : {"direct", "auto", "star", "two_level"}) {
        CAPTURE(type);
        CHECK(sums(type, 3, 6, {}, all_factors()) == expected);
    }
}

TEST_CASE("what travels as factors has buckets of its own, and the tail one that is summed") {
    const std::size_t alone[] = {1, 2, 4};
    const ArenaLayout where = layout();
    const auto buckets = plan_buckets(where, 16, 4, 1u << 20, false, alone);
    const std::optional<std::size_t> expected[] = {{}, 1, 2, {}, 4, {}};
    REQUIRE(buckets.size() == std::size(expected));
    std::size_t end = 0;
    for (std::size_t b = 0; b < buckets.size(); ++b) {
        CHECK(buckets[b].alone == expected[b]);
        CHECK(buckets[b].begin == end);
        end = buckets[b].end;
        if (buckets[b].alone) CHECK(buckets[b].begin == where.parameters()[*buckets[b].alone].offset);
    }
    CHECK(end == where.size() + 16);
    CHECK(buckets.back().count() == 16);
    CHECK(plan_buckets(where, 0, 4, 1u << 20, false, alone).back().alone == 4);
}

TEST_CASE("memory for factors and products is counted") {
    const auto reducer = make_local_reducer();
    const auto bytes = [&](int shards, std::vector<Factors> factors) {
        return Exchange(layout(), {.shards = shards}, *reducer, std::move(factors)).memory_bytes();
    };
    const Factors a = factors_of(layout(), 1);
    CHECK(a.count() == 32 + 16);
    CHECK(bytes(8, {a}) - bytes(8, {}) == (8 * 48 + 3 * 32) * sizeof(float));
    CHECK(bytes(1, {a}) - bytes(1, {}) == 48 * sizeof(float));
}

TEST_CASE("factors that do not fit, and reducers that cannot gather, are refused") {
    class Summing final : public BlockingReducer {
      public:
        std::string_view name() const override { return "summing"; }
        int rank() const override { return 0; }
        int size() const override { return 1; }
        bool canonical() const override { return true; }
        void reduce(const ReduceRequest&, std::uint64_t) override {}
    };
    const auto local = make_local_reducer();
    BackgroundReducer summing(std::make_unique<Summing>());
    const auto make = [](Reducer& reducer, std::vector<Factors> factors) {
        Exchange(layout(), {.shards = 2}, reducer, std::move(factors));
    };
    const Factors a = factors_of(layout(), 1), b = factors_of(layout(), 2);
    CHECK_THROWS_WITH(make(*local, {b, a}), Contains("parameter 1 of 5"));
    Factors other = a;
    other.parameter = 3;
    CHECK_THROWS_AS(make(*local, {other}), UsageError);
    other.parameter = 5;
    CHECK_THROWS_AS(make(*local, {other}), UsageError);
    CHECK_THROWS_WITH(make(summing, {a}), Contains("'summing' cannot gather"));
    const auto transport = comm::make_thread_transports(1)[0];
    const auto rounding = make_planned_reducer(transport, comm::plan_tree(1, 2), {}, comm::WireType::bfloat16);
    CHECK_THROWS_WITH(make(*rounding, {a}), Contains("rounds sums"));

    const ReducerOptions always{.type = "mine", .factors = FactorUse::always};
    CHECK_THROWS_WITH(choose_factors<float>(always, summing, *transport, 2, layout(), {a}),
                      Contains("/reducer/factors") && Contains("'summing'"));
}

TEST_CASE("ranks that make other products of the same factors are found before they drift apart") {
    // What each of so many ranks says if the products of those whose numbers are in `odd` are off by one bit.
    const auto said = [](int ranks, int shards, std::vector<int> odd) {
        return run_ranks(ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> transport) {
            const auto reducer = ReducerRegistry().make({.type = "ring"}, std::move(transport), shards);
            std::vector<Factors> factors = all_factors();
            if (std::ranges::find(odd, rank) != odd.end())
                factors[1].multiply = [multiply = factors[1].multiply](const float* from, float* gradient) {
                    multiply(from, gradient);
                    gradient[59] = std::nextafter(gradient[59], 9.0f);
                };
            check_products(*reducer, shards, layout(), factors);
            reducer->close();
        });
    };
    for (const int ranks : {1, 2, 3, 5}) CHECK(said(ranks, 3, {}) == std::vector<std::string>(std::size_t(ranks)));
    const std::string words =
        "/reducer/factors: the product of the same factors of 'b' (2 x 30, 3 samples) has other bits on rank 1 and "
        "rank 2 than on rank 0, so that their parameters would drift apart; use 'never', or machines of one kind";
    int know = 0;  // who throws first ends the waits of the others
    for (const std::string& one : said(4, 4, {1, 2})) know += contains(one, words);
    CHECK(know > 0);
    // A rank without shards finds it out alone; whoever runs the ranks lets the others hear of it.
    CHECK(shard_block(0, 5, 3).empty());
    CHECK(contains(said(5, 3, {0})[0], "'b' (2 x 30, 3 samples) has other bits on rank 0 than on rank 1"));
}

TEST_CASE("options that factors contradict are refused with pointer and cure") {
    const auto refused = [](auto&& change, const char* what) {
        ReducerOptions options;
        change(options);
        check_factors(options);
        for (const FactorUse use : {FactorUse::always, FactorUse::automatic}) {
            options.factors = use;
            CHECK_THROWS_WITH(check_factors(options),
                              Contains("/reducer/factors") && Contains("never") && Contains(what));
        }
    };
    refused([](ReducerOptions& o) { o.type = kStaleServer; }, "stale server");
    refused([](ReducerOptions& o) { o.type = "mpi"; }, "'mpi' sums and cannot gather");
    refused([](ReducerOptions& o) { o.type = "nccl"; }, "'nccl' sums and cannot gather");
    refused([](ReducerOptions& o) { o.period = 4; }, "reducer.period 4");
    refused([](ReducerOptions& o) { o.wire = comm::WireType::bfloat16; }, "wire 'same'");
    refused([](ReducerOptions& o) { o.codec.type = CodecOptions::Type::one_bit; }, "codec 'none'");
}

TEST_CASE("auto is Poseidon's rule: its table for eight workers") {
    struct Row {
        std::size_t rows, columns, samples;
        double sums, factors;  // millions of values that a worker sends and receives
    };
    const Row table[] = {{4096, 4096, 32, 58.72, 3.67}, {4096, 9216, 256, 132.1, 47.7}, {4096, 4096, 256, 58.7, 29.4},
                         {1000, 4096, 256, 14.3, 18.3}, {1024, 2048, 32, 7.34, 1.38},   {1000, 1024, 32, 3.58, 0.91}};
    constexpr int kWorkers = 8;
    const auto transports = comm::make_thread_transports(kWorkers);
    const auto reducer = ReducerRegistry().make({.type = "direct"}, transports[0], kWorkers);
    for (const Row& row : table) {
        CAPTURE(row.rows, row.columns, row.samples);
        ArenaLayout where;
        where.add("fc.weight", Shape{static_cast<std::int64_t>(row.rows), static_cast<std::int64_t>(row.columns)}, 1,
                  1);
        const std::vector<Factors> one{{.samples = row.samples, .rows = row.rows, .columns = row.columns}};
        const auto choose = [&](const char* type, FactorUse use) {
            const auto choices =
                choose_factors<float>({.type = type, .factors = use}, *reducer, *transports[0], kWorkers, where, one);
            REQUIRE(choices.size() == 1);
            return choices[0];
        };
        const FactorChoice found = choose("direct", FactorUse::automatic);
        CHECK(found.parameter == "fc.weight");
        CHECK(1e-6 * static_cast<double>(found.sum_bytes) / sizeof(float) == Approx(row.sums).epsilon(0.005));
        CHECK(1e-6 * static_cast<double>(found.factor_bytes) / sizeof(float) == Approx(row.factors).epsilon(0.005));
        CHECK(found.as_factors == (row.factors < row.sums));
        CHECK(choose("direct", FactorUse::always).as_factors);
        // A reducer that chooses among schemes is taken for the one that moves least; a tree's root moves 2 lg p
        // gradients.
        CHECK(choose("auto", FactorUse::automatic).sum_bytes == found.sum_bytes);
        CHECK(choose("tree", FactorUse::automatic).sum_bytes == 2 * 3 * row.rows * row.columns * sizeof(float));
        CHECK(choose("tree", FactorUse::automatic).as_factors);
    }
    CHECK(choose_factors<float>({}, *reducer, *transports[0], kWorkers, layout(), all_factors()).empty());
}
