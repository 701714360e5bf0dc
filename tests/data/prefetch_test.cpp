// SPDX-License-Identifier: Apache-2.0
// All checks run in the main thread: Catch2 is not thread-safe.
#include "firecaffe/data/prefetch.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

#include "catch.hpp"
#include "data/support.hpp"
#include "firecaffe/data/factory.hpp"
#include "firecaffe/data/synthetic.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kCount = 8;

BatchRequest in_order(std::uint64_t ticket) {
    return {ticket * kCount, kCount};
}

DatasetPtr training_set() {
    DataOptions options;
    options.transform = {.pad = 1, .crop_size = 6, .mirror = true, .mean_value = {128.0}, .scale = 1.0 / 64};
    return decorate(std::make_shared<SyntheticDataset>(37, Shape{2, 6, 7}, 10, 3), options, TransformMode::train, 5);
}

bool equal(const Batch& a, const Batch& b) {
    return a.shape == b.shape && a.pixels == b.pixels && a.labels == b.labels && a.ids == b.ids;
}

/// Waits at sample `at` until the gate is opened.
class Gate : public DatasetDecorator {
  public:
    Gate(DatasetPtr set, std::size_t at) : DatasetDecorator(std::move(set)), at_(at) {}

    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override {
        if (index == at_) {
            std::unique_lock lock(mutex_);
            entered_ = true;
            changed_.notify_all();
            changed_.wait_for(lock, 60s, [&] { return open_; });
        }
        inner().get(epoch, index, sample);
    }
    void wait_entered() const {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, 60s, [&] { return entered_; }));
    }
    void open() const {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

  private:
    const std::size_t at_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    mutable bool open_ = false, entered_ = false;
};

/// Throws at one sample.
class Broken : public DatasetDecorator {
  public:
    Broken(DatasetPtr set, std::size_t at) : DatasetDecorator(std::move(set)), at_(at) {}
    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override {
        if (index == at_) throw DataError("record ", index, " is damaged");
        inner().get(epoch, index, sample);
    }

  private:
    std::size_t at_;
};

}  // namespace

TEST_CASE("batches are the same with any number of threads and slots") {
    const DatasetPtr set = training_set();
    constexpr std::uint64_t kTickets = 24;
    for (const std::int64_t threads : {1, 3}) {
        for (const std::int64_t depth : {1, 2, 5, 100}) {
            PrefetchLoader loader(set, in_order, kTickets, {.threads = threads, .depth = depth});
            for (std::uint64_t ticket = 0; ticket < kTickets; ++ticket) {
                Batch expected;
                fill_batch(*set, in_order(ticket), expected);
                const BatchLease lease = loader.acquire(ticket);
                CHECK(lease.ticket() == ticket);
                CHECK(equal(*lease, expected));
            }
            CHECK(loader.waited_seconds() >= 0.0);
        }
    }
}

TEST_CASE("several consumers take different tickets in any order within the ring") {
    const DatasetPtr set = training_set();
    constexpr std::uint64_t kTickets = 60, kConsumers = 3;
    PrefetchLoader loader(set, in_order, kTickets, {.threads = 2, .depth = 6});
    std::vector<int> good(kConsumers, 0);
    std::vector<std::thread> consumers;
    for (std::uint64_t c = 0; c < kConsumers; ++c) {
        consumers.emplace_back([&, c] {
            try {
                // Each takes two tickets of its own per round of six, the later one first.
                for (std::uint64_t round = 0; round < kTickets; round += 6) {
                    const BatchLease late = loader.acquire(round + 5 - c);
                    const BatchLease early = loader.acquire(round + c);
                    Batch expected;
                    fill_batch(*set, in_order(late.ticket()), expected);
                    good[c] += equal(*late, expected);
                    fill_batch(*set, in_order(early.ticket()), expected);
                    good[c] += equal(*early, expected);
                }
            } catch (const std::exception&) {
                good[c] = -1000;
            }
        });
    }
    for (std::thread& consumer : consumers) consumer.join();
    CHECK(good == std::vector<int>(kConsumers, 20));
}

TEST_CASE("a reader's exception reaches the consumer of its batch, and only that one") {
    const auto set = std::make_shared<Broken>(counting_set(100), 20);  // in batch 2 of epoch 0
    for (const std::int64_t threads : {1, 3}) {
        PrefetchLoader loader(set, in_order, 8, {.threads = threads, .depth = 3});
        CHECK(loader.acquire(0)->labels[1] == 1);
        CHECK(loader.acquire(1)->labels[0] == 8);
        CHECK(message_of<DataError>([&] { loader.acquire(2); }) == "record 20 is damaged");
        CHECK_THROWS_AS(loader.acquire(2), UsageError);
        for (std::uint64_t ticket = 3; ticket < 8; ++ticket) CHECK(loader.acquire(ticket)->shape[0] == kCount);
    }
    PrefetchLoader loader(
        set, [](std::uint64_t) -> BatchRequest { throw ConfigError("no schedule"); }, 2);
    CHECK_THROWS_AS(loader.acquire(1), ConfigError);
    PrefetchLoader empty(counting_set(0), in_order, 2);
    CHECK_THROWS_AS(empty.acquire(0), DataError);
}

TEST_CASE("a reader that hangs is named in time, and can be waited for again") {
    const auto gate = std::make_shared<Gate>(counting_set(100), 12);  // in batch 1
    PrefetchLoader loader(gate, in_order, 4, {.threads = 1, .depth = 2, .timeout_seconds = 0.05});
    CHECK(loader.acquire(0, 60.0)->labels[0] == 0);
    gate->wait_entered();
    CHECK_THAT(message_of<DataError>([&] { loader.acquire(1); }),
               Contains("batch 1 (positions 8 to 15") && Contains("0.05 s") && Contains("a reader is at it"));
    CHECK(loader.waited_seconds() >= 0.05);
    CHECK_THAT(message_of<DataError>([&] { loader.acquire(2, 0.001); }), Contains("no reader has come to it"));
    gate->open();
    CHECK(loader.acquire(1, 60.0)->labels[0] == 8);
}

TEST_CASE("a lease keeps its batch until it is gone") {
    PrefetchLoader loader(counting_set(100), in_order, 10, {.threads = 2, .depth = 2});
    std::optional<BatchLease> first = loader.acquire(0);
    BatchLease second = loader.acquire(1, 60.0);
    const std::vector<float> before = (*first)->pixels;
    CHECK_THAT(message_of<DataError>([&] { loader.acquire(2, 0.02); }), Contains("batch 0 still holds its place"));
    CHECK((*first)->pixels == before);
    CHECK_THROWS_AS(loader.acquire(0), UsageError);
    CHECK_THROWS_AS(loader.acquire(10), UsageError);

    BatchLease moved = std::move(*first);
    first.reset();  // holds nothing any more
    CHECK_THROWS_AS(loader.acquire(2, 0.02), DataError);
    CHECK(moved->pixels == before);
    moved = std::move(second);  // releases batch 0
    CHECK(moved.ticket() == 1);
    CHECK(loader.acquire(2, 60.0)->ids[0] == 16);
    CHECK_THROWS_AS(loader.acquire(0), UsageError);
}

TEST_CASE("a lease may outlive its loader") {
    auto loader = std::make_unique<PrefetchLoader>(counting_set(100), in_order, 10);
    const BatchLease lease = loader->acquire(0);
    loader.reset();
    CHECK(lease->labels[7] == 7);
}

TEST_CASE("the destructor does not wait for consumers, for whole batches or for a reader that hangs") {
    const auto seconds = [](auto&& action) {
        const auto start = std::chrono::steady_clock::now();
        action();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    CHECK(seconds([] { PrefetchLoader(counting_set(100), in_order, 1000, {.threads = 3, .depth = 4}); }) < 2.0);
    CHECK(seconds([] { PrefetchLoader(counting_set(100), in_order, 0); }) < 2.0);

    class Slow : public DatasetDecorator {
      public:
        using DatasetDecorator::DatasetDecorator;
        void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override {
            std::this_thread::sleep_for(10ms);
            inner().get(epoch, index, sample);
        }
    };
    CHECK(seconds([] {  // a batch takes 10 s
              PrefetchLoader(
                  std::make_shared<Slow>(counting_set(100)),
                  [](std::uint64_t) {
                      return BatchRequest{0, 1000};
                  },
                  9);
          }) < 4.0);

    const auto gate = std::make_shared<Gate>(counting_set(100), 0);
    CHECK(seconds([&] {
              const PrefetchLoader loader(gate, in_order, 9, {.grace_seconds = 0.05});
              gate->wait_entered();
          }) < 4.0);
    gate->open();
    // The thread that was left behind lets go of the set when its call returns.
    for (int i = 0; i < 1000 && gate.use_count() > 1; ++i) std::this_thread::sleep_for(10ms);
    CHECK(gate.use_count() == 1);
}

TEST_CASE("no batch allocates once the ring is warm") {
    const DatasetPtr set = training_set();
    PrefetchLoader loader(set, in_order, 200, {.threads = 2, .depth = 4});
    std::uint64_t before = 0, sum = 0;
    for (std::uint64_t ticket = 0; ticket < 200; ++ticket) {
        if (ticket == 50) before = allocation_count();
        sum += loader.acquire(ticket)->ids[0];
    }
    const std::uint64_t during = allocation_count() - before;
    CHECK(sum > 0);
    CHECK(before > 0);
    // The second reader's scratch image may be made late, when both read at once for the first time.
    CHECK(during <= 2);
}

TEST_CASE("loaders that cannot be meant are refused") {
    CHECK_THROWS_AS(PrefetchLoader(nullptr, in_order, 1), UsageError);
    CHECK_THROWS_AS(PrefetchLoader(counting_set(1), nullptr, 1), UsageError);
    CHECK_THROWS_AS(PrefetchLoader(counting_set(1), in_order, 1, {.threads = 0}), ConfigError);
    CHECK_THROWS_AS(PrefetchLoader(counting_set(1), in_order, 1, {.depth = 0}), ConfigError);
}
