// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

using namespace firecaffe;

namespace {

struct Log {
    std::vector<std::uint32_t> buckets;
    std::vector<std::uint64_t> sequences;
    std::atomic<int> aborts{0}, closes{0}, alive{0};
};

// Doubles one buffer of floats; `before` may wait or throw.
class Doubler final : public BlockingReducer {
  public:
    Doubler(Log& log, std::function<void(const ReduceRequest&)> before) : log_(log), before_(std::move(before)) {
        ++log_.alive;
    }
    ~Doubler() override { --log_.alive; }
    std::string_view name() const override { return "doubler"; }
    int rank() const override { return 3; }
    int size() const override { return 4; }
    bool canonical() const override { return false; }
    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        if (before_) before_(request);
        log_.buckets.push_back(request.bucket);
        log_.sequences.push_back(sequence);
        auto* data = reinterpret_cast<float*>(request.partials[0]);
        for (std::size_t i = 0; i < request.count; ++i) data[i] *= 2;
    }
    void abort(std::string_view) noexcept override { ++log_.aborts; }
    void close() noexcept override { ++log_.closes; }
    std::uint64_t bytes_sent() const override { return 17; }

  private:
    Log& log_;
    std::function<void(const ReduceRequest&)> before_;
};

BackgroundReducer make(Log& log, std::function<void(const ReduceRequest&)> before = {}, std::size_t queue = 4) {
    return BackgroundReducer(std::make_unique<Doubler>(log, std::move(before)), {.queue = queue});
}

Ticket submit(Reducer& reducer, std::vector<float>& data, std::uint32_t bucket) {
    std::byte* const pointer = reinterpret_cast<std::byte*>(data.data());
    return reducer.submit({.bucket = bucket, .count = data.size(), .partials = {&pointer, 1}});
}

void nap(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

}  // namespace

TEST_CASE("background: requests are worked on in order, beyond the length of the queue") {
    Log log;
    {
        BackgroundReducer reducer = make(
            log, [](const ReduceRequest&) { nap(1); }, 2);
        CHECK(reducer.name() == "doubler");
        CHECK(reducer.rank() == 3);
        CHECK(reducer.size() == 4);
        CHECK_FALSE(reducer.canonical());
        std::vector<std::vector<float>> data(20, std::vector<float>(5, 1.5f));
        std::vector<Ticket> tickets;
        for (std::uint32_t b = 0; b < 20; ++b) tickets.push_back(submit(reducer, data[b], b));
        reducer.wait(tickets[19]);
        for (const Ticket ticket : tickets) reducer.wait(ticket);
        for (const auto& one : data) CHECK(one == std::vector<float>(5, 3.0f));
        const ReducerStatistics statistics = reducer.statistics();
        CHECK(statistics.requests == 20);
        CHECK(statistics.bytes_reduced == 20 * 5 * 4);
        CHECK(statistics.bytes_sent == 17);
        CHECK(statistics.busy_seconds >= 0.02);
        CHECK(statistics.busy_seconds < 5);
        reducer.close();
        reducer.close();
        CHECK(log.closes == 1);
        CHECK_THROWS_AS(submit(reducer, data[0], 0), UsageError);
        CHECK_NOTHROW(reducer.wait(tickets[3]));
    }
    for (std::uint32_t b = 0; b < 20; ++b) CHECK(log.buckets[b] == b);
    for (std::uint32_t b = 0; b < 20; ++b) CHECK(log.sequences[b] == b + 1);
    CHECK(log.aborts == 0);
    CHECK(log.alive == 0);
}

TEST_CASE("background: submit returns while the work goes on") {
    Log log;
    std::atomic<bool> go{false};
    BackgroundReducer reducer = make(log, [&](const ReduceRequest&) {
        while (!go) nap(1);
    });
    std::vector<float> data(3, 1.0f);
    const Ticket ticket = submit(reducer, data, 0);
    CHECK(data[0] == 1.0f);  // the work cannot have got past `go`
    go = true;
    reducer.wait(ticket);
    CHECK(data[0] == 2.0f);
}

TEST_CASE("background: a sum is formed in the caller's thread where nothing is under way, and in its turn") {
    Log log;
    std::vector<std::thread::id> threads;
    std::atomic<bool> go{true};
    BackgroundReducer reducer = make(log, [&](const ReduceRequest& request) {
        threads.push_back(std::this_thread::get_id());
        while (!go) nap(1);
        if (request.bucket == 9) throw PeerLostError("rank 2 is lost");
    });
    std::vector<float> data(3, 1.0f), behind(3, 1.0f);
    const auto request = [](std::byte* const& pointer, std::uint32_t bucket) {
        return ReduceRequest{.bucket = bucket, .count = 3, .partials = {&pointer, 1}};
    };
    std::byte *const first = reinterpret_cast<std::byte*>(data.data()), *const second =
                                                                            reinterpret_cast<std::byte*>(behind.data());
    reducer.sum(request(first, 0));
    CHECK(data == std::vector<float>(3, 2.0f));
    CHECK(threads == std::vector<std::thread::id>{std::this_thread::get_id()});

    go = false;
    const Ticket ticket = submit(reducer, data, 1);
    std::thread later([&] {
        nap(30);
        go = true;
    });
    reducer.sum(request(second, 2));  // behind a request that is under way
    later.join();
    reducer.wait(ticket);
    CHECK(data == std::vector<float>(3, 4.0f));
    CHECK(behind == std::vector<float>(3, 2.0f));
    CHECK(log.buckets == std::vector<std::uint32_t>{0, 1, 2});
    CHECK(log.sequences == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(reducer.statistics().requests == 3);
    CHECK(std::count(threads.begin(), threads.end(), std::this_thread::get_id()) == 1);

    CHECK_THROWS_WITH(reducer.sum(request(first, 9)), "rank 2 is lost");
    CHECK_THROWS_WITH(reducer.sum(request(first, 3)), "rank 2 is lost");
    CHECK_THROWS_AS(submit(reducer, data, 4), PeerLostError);
    CHECK(log.aborts == 1);
    reducer.close();
    CHECK_THROWS_AS(make(log).sum({.count = 1}), UsageError);
}

TEST_CASE("background: an error reaches its wait and everything after it; what was done before stays done") {
    Log log;
    BackgroundReducer reducer = make(log, [](const ReduceRequest& request) {
        if (request.bucket == 1) throw PeerLostError("rank 2 (host a, pid 5) is lost");
    });
    std::vector<float> data(3, 1.0f);
    const Ticket good = submit(reducer, data, 0);
    reducer.wait(good);
    const Ticket bad = submit(reducer, data, 1);
    for (int i = 0; i < 2; ++i) CHECK_THROWS_WITH(reducer.wait(bad), "rank 2 (host a, pid 5) is lost");
    CHECK_THROWS_AS(submit(reducer, data, 2), PeerLostError);
    CHECK_NOTHROW(reducer.wait(good));
    CHECK(log.aborts == 1);  // the other ranks were told
    CHECK(reducer.statistics().requests == 1);
    CHECK(data == std::vector<float>(3, 2.0f));
    reducer.close();
}

TEST_CASE("background: requests behind a failed one fail too, and a full queue does not block") {
    Log log;
    std::atomic<bool> go{false};
    BackgroundReducer reducer = make(
        log,
        [&](const ReduceRequest&) {
            while (!go) nap(1);
            throw std::runtime_error("broken");
        },
        2);
    std::vector<float> data(3);
    submit(reducer, data, 0);
    const Ticket behind = submit(reducer, data, 1);
    std::thread later([&] { nap(20), go = true; });
    CHECK_THROWS_WITH(submit(reducer, data, 2), "broken");  // waits for room; gets the error
    CHECK_THROWS_WITH(reducer.wait(behind), "broken");
    later.join();
    CHECK(log.buckets.empty());
}

TEST_CASE("background: abort ends all waits, but not while the memory is in use") {
    Log log;
    std::atomic<bool> in{false}, go{false}, out{false};
    BackgroundReducer reducer = make(log, [&](const ReduceRequest&) {
        in = true;
        while (!go) nap(1);
        out = true;
        throw PeerLostError("cancelled");
    });
    std::vector<float> data(3);
    const Ticket ticket = submit(reducer, data, 0);
    while (!in) nap(1);
    reducer.abort("the user pressed a key");
    std::thread later([&] { nap(30), go = true; });
    CHECK_THROWS_AS(reducer.wait(ticket), PeerLostError);
    CHECK(out);
    CHECK_THROWS_WITH(submit(reducer, data, 1), "rank 3 gave up: the user pressed a key");
    later.join();
}

TEST_CASE("background: a reducer that goes away with work under way tells the others, and joins its thread") {
    Log log;
    std::vector<float> data(3);
    {
        BackgroundReducer reducer = make(log, [&](const ReduceRequest&) {
            while (log.aborts == 0) nap(1);
            throw PeerLostError("cancelled");
        });
        submit(reducer, data, 0);
        submit(reducer, data, 1);
    }
    CHECK(log.aborts >= 1);
    CHECK(log.alive == 0);
}

TEST_CASE("background: bad calls are refused by submit itself") {
    Log log;
    BackgroundReducer reducer = make(log);
    std::vector<float> data(3);
    std::byte* const pointer = reinterpret_cast<std::byte*>(data.data());
    std::byte* const two[] = {pointer, pointer};
    std::byte* const null = nullptr;
    CHECK_THROWS_AS(reducer.submit({.dtype = DType::int32, .count = 3, .partials = {&pointer, 1}}), UsageError);
    CHECK_THROWS_AS(reducer.submit({.count = 3, .partials = two}), UsageError);
    CHECK_THROWS_AS(reducer.submit({.count = 3, .partials = {}}), UsageError);
    CHECK_THROWS_AS(reducer.submit({.count = 3, .partials = {&null, 1}}), UsageError);
    CHECK_FALSE(reducer.gathers());
    CHECK_THROWS_AS(reducer.submit({.count = 3, .partials = {&pointer, 1}, .gathered_shards = 3}), UsageError);
    CHECK_THROWS_AS(reducer.wait(0), UsageError);
    CHECK_THROWS_AS(reducer.wait(1), UsageError);
    CHECK_NOTHROW(reducer.wait(reducer.submit({.count = 0, .partials = {&null, 1}})));
    CHECK_THROWS_AS(BackgroundReducer(nullptr), UsageError);
    CHECK_THROWS_AS(make(log, {}, 0), UsageError);
}
