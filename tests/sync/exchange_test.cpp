// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/random.hpp"
#include "firecaffe/reducer/background.hpp"
#include "firecaffe/reducer/local.hpp"
#include "firecaffe/reducer/tree.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

using namespace firecaffe;

namespace {

ArenaLayout layout_of(std::initializer_list<std::int64_t> counts) {
    ArenaLayout layout;
    for (const std::int64_t count : counts)
        layout.add("p" + std::to_string(layout.parameters().size()), Shape{count}, 1, 1);
    return layout;
}

float gradient(int shard, std::size_t element) {
    return static_cast<float>(RandomStream(5, RandomPurpose::user, static_cast<std::uint32_t>(shard)).normal(element));
}

/// The sum by the definition: recursion over the tree.
float by_definition(int begin, int level, int shards, std::size_t element) {
    if (level == 0) return gradient(begin, element);
    const int middle = begin + (1 << (level - 1));
    const float left = by_definition(begin, level - 1, shards, element);
    return middle >= shards ? left : left + by_definition(middle, level - 1, shards, element);
}

std::size_t log2_of(int shards) {
    std::size_t level = 0;
    while ((1 << level) < shards) ++level;
    return level;
}

void compute(GradientExchange<float, Cpu>& exchange, int shard, std::chrono::microseconds delay = {}) {
    auto lease = exchange.acquire(shard);
    const std::span<float> values(lease.gradients().data(), lease.gradients().extent());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = gradient(shard, i);
    for (const Bucket& b : exchange.buckets()) {
        if (delay.count() > 0) std::this_thread::sleep_for(delay);
        lease.gradients_ready(std::min(b.end, lease.gradients().values().size()));
    }
}

}  // namespace

TEST_CASE("buckets tile the arena at the ends of parameters, and the last holds the tail") {
    const ArenaLayout layout = layout_of({100, 10, 300, 5});
    const auto buckets = plan_buckets(layout, 16, 4, 512);
    REQUIRE(buckets.size() >= 2);
    CHECK(buckets.front().begin == 0);
    for (std::size_t b = 1; b < buckets.size(); ++b) CHECK(buckets[b].begin == buckets[b - 1].end);
    CHECK(buckets.back().end == layout.size() + 16);
    for (std::size_t b = 0; b + 1 < buckets.size(); ++b) CHECK(buckets[b].count() * 4 >= 512);
    CHECK(plan_buckets(layout, 16, 4, 1u << 30).size() == 1);
    CHECK(plan_buckets(layout, 16, 4, 1).size() == 4);
    CHECK(plan_buckets(ArenaLayout{}, 16, 4, 1).size() == 1);
    const auto apart = plan_buckets(layout, 16, 4, 512, true);
    CHECK(apart.size() == buckets.size() + 1);
    CHECK(apart.back().begin == layout.size());
    CHECK(apart.back().count() == 16);
    CHECK(plan_buckets(layout, 0, 4, 512, true).size() == buckets.size());
    for (std::size_t b = 0; b < apart.size(); ++b) CHECK(apart[b].exact == (b + 1 == apart.size()));
    for (const Bucket& b : buckets) CHECK(b.exact);
}

TEST_CASE("where gradients are rounded, statistics have buckets of their own") {
    ArenaLayout layout;
    for (const char* name : {"a", "b.mean", "b.variance", "c", "d", "e.mean"})
        layout.add(name, Shape{20}, 1, 1,
                   std::string_view(name).size() > 1 ? std::optional(0.9) : std::optional<double>());
    const auto buckets = plan_buckets(layout, 16, 4, 1u << 20, true);
    const std::size_t bounds[] = {0, 32, 96, 160, 208};  // parameters begin at multiples of 16
    REQUIRE(buckets.size() == 4);
    for (std::size_t b = 0; b < 4; ++b) {
        CHECK(buckets[b].begin == bounds[b]);
        CHECK(buckets[b].end == bounds[b + 1]);
        CHECK(buckets[b].exact == (b % 2 == 1));
    }
    CHECK(plan_buckets(layout, 16, 4, 1u << 20).size() == 1);
}

TEST_CASE("one worker adds its shards along the tree, in any order of completion") {
    const ArenaLayout layout = layout_of({40, 24});
    for (const int shards : {1, 2, 3, 5, 8, 13}) {
        for (const int threads : {1, 3}) {
            const auto reducer = make_local_reducer();
            GradientExchange<float, Cpu> exchange(
                layout, {.shards = shards, .threads = threads, .bucket_bytes = 64, .tail = 16}, *reducer);
            for (std::uint32_t step = 0; step < 2; ++step) {
                exchange.begin_step(step);
                std::atomic<int> next{0};
                std::vector<std::thread> team;
                for (int t = 0; t < threads; ++t)
                    team.emplace_back([&] {
                        for (int s = next++; s < shards; s = next++) compute(exchange, s);
                    });
                for (auto& t : team) t.join();
                exchange.finish_compute();
                const auto level = static_cast<int>(log2_of(shards));
                for (std::size_t b = 0; b < exchange.buckets().size(); ++b) {
                    const auto sums = exchange.wait(b);
                    for (std::size_t i = exchange.buckets()[b].begin; i < exchange.buckets()[b].end; ++i)
                        REQUIRE(sums[i] == by_definition(0, level, shards, i));
                }
            }
            CHECK(exchange.mean_factor() == Approx(1.0 / shards));
        }
    }
}

TEST_CASE("many workers get the bits of one") {
    const ArenaLayout layout = layout_of({70, 33, 8});
    constexpr int shards = 6;
    for (const int ranks : {1, 2, 3, 4, 6, 9}) {
        const auto transports = comm::make_thread_transports(ranks, {.deadline_seconds = 20});
        std::vector<std::vector<float>> results(static_cast<std::size_t>(ranks));
        std::vector<std::thread> team;
        for (int r = 0; r < ranks; ++r)
            team.emplace_back([&, r] {
                const auto reducer = make_tree_reducer(transports[static_cast<std::size_t>(r)], shards);
                GradientExchange<float, Cpu> exchange(layout, {.shards = shards, .bucket_bytes = 128, .tail = 16},
                                                      *reducer);
                exchange.begin_step(0);
                for (int s = exchange.block().begin; s < exchange.block().end; ++s) compute(exchange, s);
                exchange.finish_compute();
                std::span<const float> sums;
                for (std::size_t b = 0; b < exchange.buckets().size(); ++b) sums = exchange.wait(b);
                results[static_cast<std::size_t>(r)].assign(sums.begin(), sums.end());
                reducer->close();
            });
        for (auto& t : team) t.join();
        for (const auto& result : results)
            for (std::size_t i = 0; i < result.size(); ++i) REQUIRE(result[i] == by_definition(0, 3, shards, i));
    }
}

TEST_CASE("gradients may be rounded on the way, and the tail is not") {
    const ArenaLayout layout = layout_of({70, 33});
    const auto transports = comm::make_thread_transports(2, {.deadline_seconds = 20});
    std::vector<std::vector<float>> sums(2), tails(2);
    std::vector<std::thread> team;
    for (std::size_t r = 0; r < 2; ++r)
        team.emplace_back([&, r] {
            const auto reducer =
                make_planned_reducer(transports[r], comm::plan_tree(2, 2), {}, comm::WireType::bfloat16);
            GradientExchange<float, Cpu> exchange(layout, {.shards = 2, .bucket_bytes = 128, .tail = 16}, *reducer);
            for (std::uint32_t step = 0; step < 2; ++step) {
                exchange.begin_step(step);
                auto lease = exchange.acquire(static_cast<int>(r));
                auto& gradients = lease.gradients();
                std::ranges::fill(gradients.tail(), 1.0f / 3);
                std::fill(gradients.data(), gradients.data() + layout.size(), 1.0f / 3);
                lease.gradients_ready(layout.size());
                exchange.finish_compute();
                std::span<const float> all;
                for (std::size_t b = 0; b < exchange.buckets().size(); ++b) all = exchange.wait(b);
                sums[r].assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(layout.size()));
                tails[r].assign(exchange.tail().begin(), exchange.tail().end());
            }
            reducer->close();
        });
    for (auto& t : team) t.join();
    CHECK(sums[0] == sums[1]);
    for (std::size_t i = 0; i < layout.size(); ++i) {
        const auto holds = [i](const ParameterInfo& p) { return i >= p.offset && i < p.end(); };
        CAPTURE(i);
        if (std::ranges::any_of(layout.parameters(), holds)) {
            REQUIRE(sums[0][i] != 2.0f / 3);
            REQUIRE(sums[0][i] == Approx(2.0 / 3).epsilon(0x1p-7));
        } else {
            REQUIRE(sums[0][i] == 0);  // a gap, in which there was rubbish
        }
    }
    CHECK(tails == std::vector(2, std::vector(16, 2.0f / 3)));
}

TEST_CASE("gradient memory is enough whatever the threads' luck") {
    const ArenaLayout layout = layout_of({40, 24, 8});
    const auto reducer = make_local_reducer();
    for (const int shards : {2, 7, 16, 33, 64}) {
        for (const int threads : {2, 3, 8}) {
            GradientExchange<float, Cpu> exchange(
                layout, {.shards = shards, .threads = threads, .bucket_bytes = 64, .tail = 16}, *reducer);
            exchange.begin_step(0);
            const std::size_t arena = 112 * sizeof(float);
            CHECK(exchange.memory_bytes() <= (log2_of(shards) + static_cast<std::size_t>(threads)) * arena);
            std::atomic<int> next{0};
            std::vector<std::thread> team;
            for (int t = 0; t < threads; ++t)
                team.emplace_back([&] {
                    const RandomStream random(11, RandomPurpose::user, static_cast<std::uint32_t>(shards));
                    for (int s = next++; s < shards; s = next++) {
                        const auto at = static_cast<std::uint64_t>(s);
                        std::this_thread::sleep_for(std::chrono::microseconds(random.below(2 * at, 300)));
                        compute(exchange, s, std::chrono::microseconds(random.below(2 * at + 1, 300)));
                    }
                });
            for (auto& t : team) t.join();
            exchange.finish_compute();
            std::span<const float> sums;
            for (std::size_t b = 0; b < exchange.buckets().size(); ++b) sums = exchange.wait(b);
            for (std::size_t i = 0; i < sums.size(); ++i)
                REQUIRE(sums[i] == by_definition(0, static_cast<int>(log2_of(shards)), shards, i));
        }
    }
}

TEST_CASE("threads that come late for their memory block nobody for good") {
    // Seven threads are held up on their way to acquire() while the eighth runs through what lies between: the sums
    // that it leaves behind do not fit together.
    constexpr int shards = 64, late = 7, distance = 8;
    const ArenaLayout layout = layout_of({8});
    const auto reducer = make_local_reducer();
    GradientExchange<float, Cpu> exchange(layout, {.shards = shards, .threads = late + 1}, *reducer);
    exchange.begin_step(0);
    std::atomic<bool> go{false};
    std::atomic<int> computed{0}, failed{0};
    const auto run = [&](int shard) {
        try {
            compute(exchange, shard);
            ++computed;
        } catch (const Error&) {
            ++failed;
        }
    };
    std::vector<std::thread> team;
    for (int t = 0; t < late; ++t)
        team.emplace_back([&, t] {
            while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            run(t * distance);
        });
    team.emplace_back([&] {
        for (int s = 0; s < shards; ++s)
            if (s % distance != 0 || s / distance >= late) run(s);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    go = true;
    for (int i = 0; i < 2000 && computed < shards; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    exchange.fail(std::make_exception_ptr(InternalError("they wait for each other")));  // so that the test ends
    for (auto& t : team) t.join();
    CHECK(computed == shards);
    CHECK(failed == 0);
}

TEST_CASE("an exchange that ends in the middle of a step waits until the reducer has let go of its memory") {
    struct State {
        std::atomic<bool> started{false}, aborted{false}, ended{false};
    } state;
    class Stubborn final : public BlockingReducer {
      public:
        explicit Stubborn(State& state) : state_(state) {}
        std::string_view name() const override { return "stubborn"; }
        int rank() const override { return 0; }
        int size() const override { return 1; }
        bool canonical() const override { return true; }
        void reduce(const ReduceRequest& request, std::uint64_t) override {
            state_.started = true;
            while (!state_.aborted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            std::fill_n(request.partials[0], request.count * size_of(request.dtype), std::byte{1});
            state_.ended = true;
            throw PeerLostError("aborted");
        }
        void abort(std::string_view) noexcept override { state_.aborted = true; }

      private:
        State& state_;
    };
    BackgroundReducer reducer(std::make_unique<Stubborn>(state));
    {
        GradientExchange<float, Cpu> exchange(layout_of({4, 4}), {.shards = 1, .bucket_bytes = 1}, reducer);
        exchange.begin_step(0);
        compute(exchange, 0);
        while (!state.started) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(state.ended);
}

TEST_CASE("after a failure nobody waits for gradient memory") {
    const auto reducer = make_local_reducer();
    const ArenaLayout layout = layout_of({4});
    GradientExchange<float, Cpu> exchange(layout, {.shards = 2}, *reducer);
    exchange.begin_step(0);
    exchange.fail(std::make_exception_ptr(DataError("the cause")));
    exchange.fail(std::make_exception_ptr(ShapeError("a consequence")));
    CHECK_THROWS_WITH(exchange.acquire(0), "the cause");
    CHECK_THROWS_AS(exchange.acquire(1), DataError);
}

TEST_CASE("sums of sparse figures are exact for any number of ranks") {
    constexpr int shards = 3;
    for (const int ranks : {1, 2, 3, 5}) {
        const auto transports = comm::make_thread_transports(ranks, {.deadline_seconds = 20});
        const std::vector<int> contributing = contributing_ranks(ranks, shards);
        CHECK(contributing.size() == static_cast<std::size_t>(std::min(ranks, shards)));
        std::vector<std::thread> team;
        std::atomic<int> wrong{0};
        for (int r = 0; r < ranks; ++r)
            team.emplace_back([&, r] {
                const auto reducer = make_tree_reducer(transports[static_cast<std::size_t>(r)], shards);
                std::vector<double> figures(10);
                const auto place = std::find(contributing.begin(), contributing.end(), r) - contributing.begin();
                for (std::size_t i = static_cast<std::size_t>(place); place < std::ssize(contributing) && i < 10;
                     i += contributing.size())
                    figures[i] = 0.1 * static_cast<double>(i) + 1e-9;
                sum_over_ranks<double>(*reducer, shards, 7, figures);
                for (std::size_t i = 0; i < 10; ++i) wrong += figures[i] != 0.1 * static_cast<double>(i) + 1e-9;
                reducer->close();
            });
        for (auto& t : team) t.join();
        CHECK(wrong == 0);
    }
}
