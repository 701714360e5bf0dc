// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <chrono>
#include <cstdlib>
#include <set>

#include "comm/partials.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/tree.hpp"

using namespace firecaffe;
using comm::canonical_sum;
using comm::Transport;

namespace {

template <class T>
void check_sum(int ranks, int shards, std::size_t count) {
    INFO("ranks " << ranks << ", shards " << shards << ", count " << count << ", " << to_string(dtype_of<T>));
    const auto data = make_shards<T>(shards, count);
    const auto expected = canonical_sum(data);
    const auto errors = run_ranks(ranks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_tree_reducer(std::move(transport), shards);
        auto slots = make_slots(data, rank, ranks);
        const Ticket ticket = reducer->submit({.dtype = dtype_of<T>, .count = count, .partials = pointers(slots)});
        reducer->wait(ticket);
        if (!same_bits(slots[0], expected)) throw InternalError("rank ", rank, " has another sum");
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
}

// Each rank submits buckets 0..3 of `count` floats; misbehave(rank, reducer, bucket) comes before bucket `bucket`.
std::vector<std::string> run_buckets(int ranks, double deadline,
                                     const std::function<void(int, Reducer&, std::uint32_t)>& misbehave) {
    return run_ranks(ranks, deadline, [&](int rank, std::shared_ptr<Transport> transport) {
        std::vector<std::vector<float>> data(4, std::vector<float>(20000));
        const auto reducer = make_tree_reducer(std::move(transport), ranks);
        std::vector<Ticket> tickets;
        for (std::uint32_t b = 0; b < 4; ++b) {
            misbehave(rank, *reducer, b);
            std::byte* const pointer = reinterpret_cast<std::byte*>(data[b].data());
            tickets.push_back(
                reducer->submit({.bucket = b, .step = 77, .count = data[b].size(), .partials = {&pointer, 1}}));
        }
        for (const Ticket ticket : tickets) reducer->wait(ticket);
        reducer->close();
    });
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("tree: the canonical bits on every rank") {
    for (const int p : {1, 2, 3, 4, 5, 8}) {
        for (const int v : std::set<int>{1, 3, 8, p}) {
            for (const std::size_t count : {0u, 1u, 7u, 100003u}) {
                check_sum<float>(p, v, count);
                check_sum<double>(p, v, count);
            }
        }
    }
}

TEST_CASE("tree: several buckets in flight, and statistics") {
    constexpr int kRanks = 3, kShards = 5, kBuckets = 12;
    std::vector<std::vector<std::vector<float>>> data;
    for (int b = 0; b < kBuckets; ++b)
        data.push_back(make_shards<float>(kShards, 1000 + 7000 * static_cast<std::size_t>(b)));
    std::vector<ReducerStatistics> statistics(kRanks);
    const auto errors = run_ranks(kRanks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_tree_reducer(std::move(transport), kShards);
        std::vector<std::vector<std::vector<float>>> slots;
        std::vector<Ticket> tickets;
        for (std::uint32_t b = 0; b < kBuckets; ++b) {
            slots.push_back(make_slots(data[b], rank, kRanks));
            tickets.push_back(
                reducer->submit({.bucket = b, .count = slots[b][0].size(), .partials = pointers(slots[b])}));
        }
        for (std::size_t b = 0; b < kBuckets; ++b) {
            reducer->wait(tickets[b]);
            if (!same_bits(slots[b][0], canonical_sum(data[b]))) throw InternalError("bucket ", b, " is wrong");
        }
        reducer->close();
        statistics[static_cast<std::size_t>(rank)] = reducer->statistics();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    std::uint64_t bytes = 0, sent = 0;
    for (const auto& bucket : data) bytes += bucket[0].size() * 4;
    for (const ReducerStatistics& one : statistics) {
        CHECK(one.requests == kBuckets);
        CHECK(one.bytes_reduced == bytes);
        CHECK(one.busy_seconds > 0);
        sent += one.bytes_sent;
    }
    // Blocks [0,1) [1,3) [3,5): rank 0 adds shard 1 of rank 1; then 2+3 on rank 1; then (2+3) and 4 go to rank 0: four
    // messages up, two down.
    CHECK(sent == 6 * bytes);
}

TEST_CASE("tree: a rank that throws is lost for all others, at once") {
    const auto start = std::chrono::steady_clock::now();
    const auto errors = run_buckets(4, 20, [](int rank, Reducer&, std::uint32_t bucket) {
        if (rank == 2 && bucket == 1) throw TrainingError("the loss is NaN");
    });
    CHECK(errors[2] == "the loss is NaN");
    for (const int rank : {0, 1, 3}) {
        const std::string& error = errors[static_cast<std::size_t>(rank)];
        INFO(error);
        CHECK(contains(error, "rank 2 (host localhost, pid "));
        CHECK(contains(error, "of step 77"));
    }
    CHECK(seconds_since(start) < 10);
}

TEST_CASE("tree: a rank whose reducer is destroyed with work under way is named") {
    const auto errors = run_ranks(3, 20, [](int rank, std::shared_ptr<Transport> transport) {
        std::vector<float> data(50000);
        std::byte* const pointer = reinterpret_cast<std::byte*>(data.data());
        auto reducer = make_tree_reducer(std::move(transport), 3);
        for (std::uint32_t b = 0; b < 2; ++b) {
            const Ticket ticket = reducer->submit({.bucket = b, .count = data.size(), .partials = {&pointer, 1}});
            if (b == 0) reducer->wait(ticket);
            if (b == 1 && rank != 1) reducer->wait(ticket);
            if (b == 0 && rank == 1) reducer.reset();
            if (reducer == nullptr) throw TrainingError("gone");
        }
    });
    for (const int rank : {0, 2}) CHECK(contains(errors[static_cast<std::size_t>(rank)], "rank 1 (host localhost"));
    CHECK(errors[1] == "gone");
}

TEST_CASE("tree: a rank that aborts tells why") {
    const auto errors = run_buckets(3, 20, [](int rank, Reducer& reducer, std::uint32_t bucket) {
        if (rank == 1 && bucket == 2) reducer.abort("the disk is full");
    });
    for (const std::string& error : errors) {
        INFO(error);
        CHECK(contains(error, "rank 1"));
        CHECK(contains(error, "the disk is full"));
    }
}

TEST_CASE("tree: another order, length or dtype on one rank is an error on all, naming both") {
    struct Case {
        ReduceRequest first;
        std::vector<std::string> words;
    };
    const std::vector<Case> cases{
        {{.bucket = 1, .count = 100}, {"bucket 0", "bucket 1"}},
        {{.bucket = 0, .count = 99}, {"400 bytes", "396 bytes"}},
        {{.bucket = 0, .dtype = DType::float64, .count = 50}, {"float32", "float64"}},
    };
    for (const Case& one : cases) {
        const auto errors = run_ranks(3, 20, [&](int rank, std::shared_ptr<Transport> transport) {
            const auto reducer = make_tree_reducer(std::move(transport), 3);
            std::vector<double> data(100);
            std::byte* const pointer = reinterpret_cast<std::byte*>(data.data());
            ReduceRequest request{.bucket = 0, .count = 100};
            if (rank == 1) request = one.first;
            request.partials = {&pointer, 1};
            reducer->wait(reducer->submit(request));
        });
        for (const std::string& error : errors) {
            INFO(error);
            CHECK(contains(error, "rank 1 (host localhost"));
            for (const std::string& word : one.words) CHECK(contains(error, word));
        }
    }
}

TEST_CASE("tree: a rank that falls silent is named at the deadline, and progress keeps it alive") {
    const auto silent = run_buckets(3, 0.3, [](int rank, Reducer&, std::uint32_t bucket) {
        if (rank == 2 && bucket == 1) std::this_thread::sleep_for(std::chrono::milliseconds(900));
    });
    for (const int rank : {0, 1}) CHECK(contains(silent[static_cast<std::size_t>(rank)], "rank 2 (host localhost"));
    const auto slow = run_buckets(3, 0.3, [](int rank, Reducer& reducer, std::uint32_t bucket) {
        for (int i = 0; rank == 2 && bucket == 1 && i < 12; ++i, reducer.note_progress()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    });
    for (const std::string& error : slow) CHECK(error == "");
}
