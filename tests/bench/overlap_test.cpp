// SPDX-License-Identifier: Apache-2.0
// The replay of a backward pass, with ranks as threads. A reducer that takes a known time says what must be hidden.
#include "firecaffe/bench/overlap.hpp"

#include <chrono>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

#include "catch.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

using namespace firecaffe;

namespace {

constexpr double kBucketSeconds = 0.01;

/// Sums nothing, and takes its time over it.
class Slow final : public BlockingReducer {
  public:
    std::string_view name() const override { return "slow"; }
    int rank() const override { return 0; }
    int size() const override { return 1; }
    bool canonical() const override { return true; }
    void reduce(const ReduceRequest&, std::uint64_t) override {
        std::this_thread::sleep_for(std::chrono::duration<double>(kBucketSeconds));
    }
};

ReducerRegistry with_slow() {
    ReducerRegistry registry;
    registry.add("slow", [](const ReducerOptions&, const std::shared_ptr<comm::Transport>&, int) {
        return std::make_unique<BackgroundReducer>(std::make_unique<Slow>());
    });
    return registry;
}

ArenaLayout four_parameters() {
    ArenaLayout layout;
    for (const char* name : {"a", "b", "c", "d"}) layout.add(name, Shape{1600}, 1, 1);
    return layout;
}

/// A layer for each parameter.
ComputeTimeline timeline_of(double seconds) {
    ComputeTimeline timeline;
    timeline.before_backward = seconds;
    for (std::size_t layer = 1; layer <= 4; ++layer) timeline.backward.push_back({seconds, 1600 * layer});
    return timeline;
}

OverlapOptions few(std::vector<std::string> reducers) {
    OverlapOptions options;
    options.reducers = std::move(reducers);
    options.reducer.bucket_mb = 1e-6;  // a bucket for each parameter
    options.iterations = 5;
    options.warm_up = 1;
    options.idle = true;
    return options;
}

}  // namespace

TEST_CASE("overlap: a slow exchange is hidden but for its last bucket, or not at all") {
    const ArenaLayout layout = four_parameters();
    const OverlapReport report =
        bench_overlap(with_slow(), few({"slow"}), layout, timeline_of(2 * kBucketSeconds), nullptr);
    REQUIRE(report.rows.size() == 1);
    const OverlapRow& row = report.rows.front();
    CHECK(report.compute == Approx(10 * kBucketSeconds));
    CHECK(row.buckets == 4);
    CHECK(row.scheme == "slow");
    CHECK(row.exposed_after >= 4 * kBucketSeconds);  // sleeping takes no less time than asked for
    CHECK(row.exposed >= 0.99 * kBucketSeconds);
    CHECK(row.exposed < row.exposed_after - kBucketSeconds);
    CHECK(row.step >= report.compute);
    CHECK((row.hidden() > 0.3 && row.hidden() < 0.8));
}

TEST_CASE("overlap: what is computed quickly hides little") {
    const OverlapReport report =
        bench_overlap(with_slow(), few({"slow"}), four_parameters(), timeline_of(0.1 * kBucketSeconds), nullptr);
    CHECK(report.rows.front().exposed >= 3 * kBucketSeconds);
    CHECK(report.rows.front().hidden() < 0.4);
}

TEST_CASE("overlap: all ranks measure each reducer, replay one timeline, and agree on the figures") {
    constexpr int kRanks = 3;
    const ArenaLayout layout = four_parameters();
    const OverlapOptions options = few({"tree", "ring"});
    auto transports = comm::make_thread_transports(kRanks, {.deadline_seconds = 60});
    std::vector<std::string> reports(kRanks);
    std::vector<std::exception_ptr> errors(kRanks);
    {
        std::vector<std::jthread> threads;
        for (std::size_t rank = 0; rank < kRanks; ++rank)
            threads.emplace_back([&, rank] {
                try {
                    const double own = 0.001 * static_cast<double>(rank);  // the mean is 1 ms
                    reports[rank] =
                        overlap_json(options, layout,
                                     bench_overlap(ReducerRegistry(), options, layout, timeline_of(own),
                                                   std::move(transports[rank])));
                } catch (...) {
                    errors[rank] = std::current_exception();
                }
            });
    }
    for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
    for (const std::string& report : reports) CHECK(report == reports[0]);
    const auto json = nlohmann::json::parse(reports[0]);
    CHECK(json["ranks"] == kRanks);
    CHECK(json["gradient_bytes"] == 6400 * 4);
    CHECK(json["compute_ms"].get<double>() == Approx(5));
    CHECK(json["complete"] == true);
    REQUIRE(json["reducers"].size() == 2);
    for (const auto& row : json["reducers"]) {
        CHECK(row["buckets"] == 4);
        CHECK(row["step_ms"].get<double>() >= 5);
        CHECK(row["step_after_ms"].get<double>() >= 5);
    }
}

TEST_CASE("overlap: a wish to stop ends it, and what cannot be meant is refused") {
    const ArenaLayout layout = four_parameters();
    const ReducerRegistry registry;
    const ComputeTimeline timeline = timeline_of(0);
    const OverlapReport stopped =
        bench_overlap(registry, few({"local", "local"}), layout, timeline, nullptr, [] { return true; });
    CHECK(stopped.stopped);
    CHECK(stopped.rows.empty());

    const auto refused = [&](const OverlapOptions& options, const ComputeTimeline& times) {
        CHECK_THROWS_AS(bench_overlap(registry, options, layout, times, nullptr), UsageError);
    };
    refused(few({}), timeline);
    OverlapOptions none = few({"local"});
    none.iterations = 0;
    refused(none, timeline);
    ComputeTimeline short_one = timeline;
    short_one.backward.pop_back();
    refused(few({"local"}), short_one);
    ComputeTimeline backwards = timeline;
    std::swap(backwards.backward[0].ready, backwards.backward[1].ready);
    refused(few({"local"}), backwards);
    ComputeTimeline negative = timeline;
    negative.backward[0].seconds = -1;
    refused(few({"local"}), negative);
}
