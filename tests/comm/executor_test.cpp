// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <atomic>
#include <barrier>
#include <set>

#include "allocation_count.hpp"
#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/servers.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/error.hpp"
#include "partials.hpp"
#include "ranks.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

template <class T>
void check_sums(int ranks, int shards, std::size_t count, ExecutorOptions options) {
    INFO("ranks " << ranks << ", shards " << shards << ", count " << count << ", chunk " << options.chunk_bytes);
    const auto data = make_shards<T>(shards, count);
    const auto expected = canonical_sum(data);
    const Plan plan = plan_tree(ranks, shards);
    const auto errors = run_ranks(ranks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        Executor executor(*transport, options);
        for (std::uint64_t sequence = 0; sequence < 2; ++sequence) {
            auto slots = make_slots(data, rank, ranks);
            executor.run(plan, pointers(slots), count, dtype_of<T>, {.sequence = sequence});
            if (!same_bits(slots[0], expected)) throw InternalError("rank ", rank, " has another sum");
        }
        transport->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
}

// Runs the plan four times; no rank allocates anything once they are warm.
void check_allocations(const Plan& plan, int shards, std::size_t count, std::size_t chunk_bytes) {
    INFO(plan.scheme);
    const auto data = make_shards<float>(shards, count);
    std::barrier barrier(plan.ranks);
    std::vector<long> counted;
    std::atomic<bool> scratch_grew{false};
    const auto errors = run_ranks(plan.ranks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        Executor executor(*transport, {.chunk_bytes = chunk_bytes});
        auto slots = make_slots(data, rank, plan.ranks);
        const auto slot_pointers = pointers(slots);
        std::size_t scratch = 0;
        if (rank == 0) counted.reserve(10);
        for (std::uint64_t sequence = 0; sequence < 4; ++sequence) {
            barrier.arrive_and_wait();
            const long before = allocation_count();
            barrier.arrive_and_wait();
            executor.run(plan, slot_pointers, count, DType::float32, {.sequence = sequence});
            barrier.arrive_and_wait();
            if (rank == 0) counted.push_back(allocation_count() - before);
            if (sequence == 0) scratch = executor.scratch_bytes();
            if (executor.scratch_bytes() != scratch) scratch_grew = true;
        }
        transport->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    REQUIRE(counted.size() == 4);
    CHECK(counted[0] > 0);
    for (int i = 1; i < 4; ++i) CHECK(counted[static_cast<std::size_t>(i)] == 0);
    CHECK_FALSE(scratch_grew);
}

}  // namespace

TEST_CASE("adding: one rounding per element, float32 and float64 only") {
    std::vector<float> a{1.0f, 1e8f, -0.0f}, b{2.0f, 1.0f, 0.0f};
    add_elements(DType::float32, reinterpret_cast<std::byte*>(a.data()), reinterpret_cast<std::byte*>(b.data()), 3);
    CHECK(a == std::vector<float>{3.0f, 1e8f, 0.0f});
    CHECK_NOTHROW(add_elements(DType::float64, nullptr, nullptr, 0));
    CHECK_THROWS_AS(add_elements(DType::int32, nullptr, nullptr, 0), UsageError);
}

TEST_CASE("the test's data tell orders of addition apart") {
    const auto shards = make_shards<float>(8, 1000);
    auto from_left = shards[0];
    for (std::size_t s = 1; s < shards.size(); ++s) {
        for (std::size_t i = 0; i < from_left.size(); ++i) from_left[i] += shards[s][i];
    }
    CHECK_FALSE(same_bits(from_left, canonical_sum(shards)));
}

TEST_CASE("the executor gives the canonical bits on every rank, whatever the chunks") {
    for (const int p : {1, 2, 3, 5, 8}) {
        for (const int v : std::set<int>{1, 3, 8, p, 13}) {
            for (const std::size_t count : {0u, 1u, 7u, 1000u}) {
                check_sums<float>(p, v, count, {});
                check_sums<float>(p, v, count, {.chunk_bytes = 64});
                check_sums<double>(p, v, count, {.chunk_bytes = 1, .receives_ahead = 2, .sends_behind = 1});
            }
        }
    }
    check_sums<float>(16, 16, 10000, {.chunk_bytes = 512});
    check_sums<float>(3, 7, 200001, {.chunk_bytes = 4096});
}

TEST_CASE("the executor runs plans that move parts, with a local addition") {
    // Two ranks of two inputs each: add the own pair, swap halves, swap results.
    const auto step = [](Step::Kind kind, Rank peer, int round, int part) {
        return Step{.kind = kind, .peer = peer, .round = round, .part = part, .parts = 2};
    };
    using enum Step::Kind;
    Plan plan;
    plan.scheme = "halves";
    plan.ranks = 2;
    plan.parts = 2;
    plan.inputs = {2, 2};
    plan.rounds = 3;
    const Step own{.kind = add, .slot = 0, .other = 1, .round = 0};
    plan.steps = {{own, step(send, 1, 1, 1), step(receive_add, 1, 1, 0), step(send, 1, 2, 0), step(receive, 1, 2, 1)},
                  {own, step(receive_add, 0, 1, 1), step(send, 0, 1, 0), step(receive, 0, 2, 0), step(send, 0, 2, 1)}};
    REQUIRE(simulate(plan, 4).messages == 4);
    for (const std::size_t count : {0u, 1u, 2u, 9u, 1001u}) {
        for (const std::size_t chunk : {4u, 40u, 100000u}) {
            const auto errors = run_ranks(2, 20, [&](int rank, std::shared_ptr<Transport> transport) {
                Executor executor(*transport, {.chunk_bytes = chunk});
                std::vector<std::vector<float>> slots(2, std::vector<float>(count));
                for (std::size_t i = 0; i < count; ++i) {
                    slots[0][i] = static_cast<float>(i) * 4 + static_cast<float>(rank);
                    slots[1][i] = 10;
                }
                executor.run(plan, pointers(slots), count, DType::float32, {});
                for (std::size_t i = 0; i < count; ++i) {
                    if (slots[0][i] != static_cast<float>(i) * 8 + 21) throw InternalError("wrong at ", i);
                }
                transport->close();
            });
            CHECK(errors == std::vector<std::string>{"", ""});
        }
    }
}

TEST_CASE("the executor and its transport allocate nothing once they are warm") {
    const Plan tree = plan_tree(4, 6);
    check_allocations(tree, 6, 50000, 4096);
    check_allocations(tree, 6, 50000, kWholeRequest);
    check_allocations(plan_direct(4, 6), 6, 4 * 3 * 1024, 4096);  // parts of three chunks each, and scratch slots
}

TEST_CASE("a scratch slot takes no more memory than its part") {
    constexpr std::size_t kCount = 80000;
    const Plan plan = plan_direct(8, 8);
    const auto data = make_shards<float>(8, kCount);
    const auto errors = run_ranks(8, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        Executor executor(*transport, {.chunk_bytes = 4096});
        auto slots = make_slots(data, rank, 8);
        executor.run(plan, pointers(slots), kCount, DType::float32, {});
        const auto held = static_cast<std::size_t>(plan.scratch_slots(rank)) * (kCount / 8 * 4 + 64);
        if (executor.scratch_bytes() > held + 6 * 4096) throw InternalError(executor.scratch_bytes(), " bytes");
        transport->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
}

TEST_CASE("the executor refuses what does not fit, before it sends anything") {
    auto transports = make_thread_transports(2);
    Executor executor(*transports[0]);
    std::vector<std::vector<float>> slots(1, std::vector<float>(4));
    const Plan plan = plan_tree(2, 2);
    CHECK_THROWS_AS(executor.run(plan_tree(3, 3), pointers(slots), 4, DType::float32, {}), UsageError);
    CHECK_THROWS_AS(executor.run(plan, pointers(slots), 4, DType::int32, {}), UsageError);
    slots.resize(2);
    CHECK_THROWS_AS(executor.run(plan, pointers(slots), 4, DType::float32, {}), UsageError);
    CHECK(transports[0]->bytes_sent() == 0);
    CHECK_THROWS_AS(Executor(*transports[0], {.chunk_bytes = 0}), UsageError);
    CHECK_THROWS_AS(Executor(*transports[0], {.receives_ahead = 1}), UsageError);
}

TEST_CASE("a rank that dies in the middle of a collective ends it for all, and buffers are free again") {
    constexpr std::size_t kCount = 100000;
    const Plan plan = plan_tree(4, 4);
    const auto errors = run_ranks(4, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        std::vector<std::vector<float>> slots(1, std::vector<float>(kCount));
        if (rank == 3) {  // sends the first chunk of many, then goes away
            const OperationTag tag{.bucket = 9, .step = 4, .dtype = DType::float32, .count = kCount};
            transport->wait(*transport->post_send(2, tag, std::as_bytes(std::span(slots[0])).first(4096)));
            throw TrainingError("out of memory");
        }
        Executor executor(*transport, {.chunk_bytes = 4096});
        executor.run(plan, pointers(slots), kCount, DType::float32, {.bucket = 9, .step = 4});
    });
    for (const int rank : {0, 1, 2}) {
        const std::string& error = errors[static_cast<std::size_t>(rank)];
        INFO(error);
        CHECK(contains(error, "rank 3 (host localhost"));
        CHECK(contains(error, "bucket 9 of step 4"));
    }
}

TEST_CASE("ranks that mean requests of another length find out at once") {
    const auto errors = run_ranks(2, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        const std::size_t count = rank == 0 ? 2048 : 1024;  // one chunk is a prefix of the other request
        std::vector<std::vector<float>> slots(1, std::vector<float>(count));
        Executor(*transport, {.chunk_bytes = 4096}).run(plan_tree(2, 2), pointers(slots), count, DType::float32, {});
    });
    for (const std::string& error : errors) CHECK(contains(error, "of 8192 bytes"));
    for (const std::string& error : errors) CHECK(contains(error, "of 4096 bytes"));
}
