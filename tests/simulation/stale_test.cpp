// SPDX-License-Identifier: Apache-2.0
// The stale server in a simulated cluster: workers of different speed over links of different speed, from a seed.
// Nobody begins a step further ahead of the slowest than the bound allows, no update is lost or added twice, and all
// end with the same values. One seed again: FIRECAFFE_SIMULATION_FIRST=4711 FIRECAFFE_SIMULATION_SEEDS=1
// test_simulation "[stale]"
#include "catch.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "comm/simulation/dice.hpp"
#include "comm/simulation/simulated_cluster.hpp"
#include "comm/stale/stale_rank.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

constexpr std::uint64_t kSeeds = 4000;

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
    const char* value = std::getenv(variable);
    return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

struct Job {
    std::uint64_t seed = 0;
    int ranks = 1;
    StaleTerms terms;
    std::int64_t budget = 1;
    std::vector<double> step_seconds;  // per rank
    StreamOptions link;
    std::vector<double> slower;  // per link: how much
    std::int64_t stop_at = -1;   // the first worker's step at which it wishes to stop
};

Job make_job(std::uint64_t seed) {
    Dice dice(seed);
    Job job;
    job.seed = seed;
    job.ranks = dice.between(2, 7);
    constexpr std::int64_t kStaleness[] = {0, 1, 2, 3, 10, kUnbounded};
    job.terms.staleness = kStaleness[dice.below(6)];
    job.terms.servers = dice.between(1, job.ranks);
    for (Rank rank = 0; rank < job.ranks; ++rank)
        if (dice.chance(0.8)) job.terms.workers.push_back(rank);
    if (job.terms.workers.empty()) job.terms.workers.push_back(job.ranks - 1);
    job.terms.dtype = dice.chance(0.25) ? DType::float64 : DType::float32;
    job.terms.count = static_cast<std::size_t>(dice.chance(0.1) ? dice.below(3) : dice.between(1, 200));
    job.budget = dice.between(1, 60);
    for (int rank = 0; rank < job.ranks; ++rank) job.step_seconds.push_back(dice.spread(1e-4, 1e-2));
    job.link = {.latency_seconds = dice.spread(1e-5, 1e-2),
                .jitter_seconds = dice.spread(1e-6, 1e-2),
                .window = static_cast<std::size_t>(dice.between(64, 4096))};
    for (int link = 0; link < job.ranks * job.ranks; ++link) job.slower.push_back(dice.spread(1, 100));
    job.terms.shares.assign(job.terms.workers.size(), 0.5);
    if (dice.chance(0.25)) job.stop_at = dice.below(10);
    return job;
}

struct World;

// One rank: what sync's StaleExchange does with threads, as events.
template <class T>
class Member final : private Actor {
  public:
    Member(World& world, const Job& job, SimulatedTransport& transport, VirtualTime& time)
        : world_(world),
          job_(job),
          transport_(transport),
          time_(time),
          values_(job.terms.count, T{1}),
          update_(job.terms.count),
          rank_(transport, job.terms, std::as_writable_bytes(std::span(values_)), job.budget) {
        transport.on_change([this] { go_on(); });
    }
    void start() {
        rank_.open();
        works_ = std::ranges::find(job_.terms.workers, transport_.rank()) != job_.terms.workers.end();
        if (works_) begin_or_leave();
        go_on();
    }
    StaleRank& rank() { return rank_; }
    const std::vector<T>& values() const { return values_; }
    bool works() const { return works_; }
    std::int64_t begun() const { return begun_; }

  private:
    void begin_or_leave();
    void wake(int) override {
        computed_ = true;
        go_on();
    }
    void pump() {
        for (bool moved = true; moved;) {
            moved = false;
            const auto under_way = rank_.under_way();
            for (std::size_t place = 0; place < under_way.size() && !moved; ++place) {
                if (!transport_.ready(*under_way[place])) continue;
                transport_.wait(*under_way[place]);
                rank_.completed(place);
                moved = true;
            }
        }
    }
    void go_on() {
        pump();
        while (works_) {
            if (computed_ && rank_.answered(step_ - 1)) {
                std::fill(update_.begin(), update_.end(), static_cast<T>(1 + transport_.rank()));
                rank_.push(std::as_bytes(std::span(update_)),
                           {.loss = 1.0 + transport_.rank(),
                            .stop = job_.stop_at == step_ && transport_.rank() == job_.terms.workers[0]});
                computed_ = false;
                pushed_ = true;
                pump();
            }
            if (!pushed_ || (rank_.depth() == 0 && !rank_.answered(step_))) return;
            pushed_ = false;
            ++step_;
            begin_or_leave();
            pump();
        }
    }

    World& world_;
    const Job& job_;
    SimulatedTransport& transport_;
    VirtualTime& time_;
    std::vector<T> values_, update_;
    StaleRank rank_;
    bool works_ = false, computed_ = false, pushed_ = false;
    std::int64_t step_ = 0, begun_ = 0;
};

// What an all-seeing eye sees.
struct World {
    std::vector<std::function<std::int64_t()>> pushes;  // of those who still work; -1 for the others
    std::int64_t greatest = 0;
    void begins(std::int64_t step) {
        for (const auto& of : pushes)
            if (of() >= 0) greatest = std::max(greatest, step - of());
    }
};

template <class T>
void Member<T>::begin_or_leave() {
    if (!rank_.turn(step_)) {
        works_ = false;
        return rank_.leave();
    }
    ++begun_;
    world_.begins(step_);
    time_.after(seconds(job_.step_seconds[static_cast<std::size_t>(transport_.rank())]), *this, 0);
}

struct Outcome {
    std::uint64_t trace = 0;
    std::int64_t greatest_lag = 0;
};

template <class T>
Outcome run(const Job& job) {
    const auto link = [&](Rank from, Rank to) {
        StreamOptions options = job.link;
        options.latency_seconds *= job.slower[static_cast<std::size_t>(from * job.ranks + to)];
        return options;
    };
    SimulatedCluster cluster({.ranks = job.ranks, .seed = job.seed, .link = link});
    World world;
    std::vector<std::unique_ptr<Member<T>>> members;
    for (Rank rank = 0; rank < job.ranks; ++rank)
        members.push_back(std::make_unique<Member<T>>(world, job, cluster.transport(rank), cluster.time()));
    for (auto& member : members) world.pushes.push_back([&m = *member] { return m.works() ? m.rank().pushes() : -1; });
    for (auto& member : members) member->start();
    const auto done = [&] { return std::ranges::all_of(members, [](auto& m) { return m->rank().is_done(); }); };
    while (!done()) {
        REQUIRE(cluster.time().step());
        REQUIRE(cluster.time().seconds_since_start() < 100);
    }

    // All made what they began, and it is all there.
    std::int64_t begun = 0, sum = 1, counted = 0, ranks_sum = 0, loud = 0;
    for (Rank rank = 0; rank < job.ranks; ++rank) {
        const std::int64_t mine = members[static_cast<std::size_t>(rank)]->begun();
        begun += mine;
        sum += mine * (1 + rank);
        if (mine > 0) ranks_sum += 1 + rank, ++loud;
    }
    if (job.stop_at < 0) REQUIRE(begun == job.budget);
    REQUIRE(begun <= job.budget);
    std::int64_t lag = 0;
    for (auto& member : members) {
        REQUIRE(member->values() == std::vector<T>(job.terms.count, static_cast<T>(sum)));
        REQUIRE(member->rank().updates() == begun);
        REQUIRE(member->rank().loss() == Approx(static_cast<double>(ranks_sum) / static_cast<double>(loud)));
        const auto& lags = member->rank().lags();
        counted += std::accumulate(lags.begin(), lags.end(), std::int64_t{0});
        for (std::size_t k = 0; k < lags.size(); ++k)
            if (lags[k] > 0) lag = std::max(lag, static_cast<std::int64_t>(k));
    }
    REQUIRE(counted == begun);
    const auto& first = members[static_cast<std::size_t>(job.terms.workers[0])];
    const bool wished = job.stop_at >= 0 && first->begun() > job.stop_at;
    for (auto& member : members) REQUIRE(member->rank().stopped() == wished);
    if (job.terms.staleness != kUnbounded) {
        REQUIRE(world.greatest <= job.terms.staleness);
        REQUIRE(lag <= job.terms.staleness);
    }
    return {cluster.time().trace(), world.greatest};
}

Outcome run(const Job& job) {
    return job.terms.dtype == DType::float32 ? run<float>(job) : run<double>(job);
}

}  // namespace

TEST_CASE("4000 random runs with a stale server keep its bound and lose no update", "[stale]") {
    const std::uint64_t first = number("FIRECAFFE_SIMULATION_FIRST", 1);
    const std::uint64_t count = number("FIRECAFFE_SIMULATION_SEEDS", kSeeds);
    std::int64_t bounds_reached = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const Job job = make_job(seed);
        CAPTURE(seed, job.ranks, job.terms.staleness, job.terms.servers, job.terms.workers, job.terms.count, job.budget,
                job.stop_at);
        const Outcome outcome = run(job);
        bounds_reached += outcome.greatest_lag == job.terms.staleness && job.terms.staleness > 1 ? 1 : 0;
        if (seed % 50 == 0) REQUIRE(run(job).trace == outcome.trace);
    }
    // Else nothing would have been tried.
    if (count >= kSeeds) CHECK(bounds_reached > 100);
}

TEST_CASE("with a greater staleness the quick workers do more of the work, and all are done sooner", "[stale]") {
    Job job;
    job.ranks = 5;  // rank 0 only serves
    job.terms = {.staleness = 0,
                 .servers = 1,
                 .workers = {1, 2, 3, 4},
                 .shares = {1, 1, 1, 1},
                 .dtype = DType::float32,
                 .count = 100};
    job.budget = 200;
    job.step_seconds = {0, 0.01, 0.01, 0.01, 0.03};
    std::vector<double> seconds;
    for (const std::int64_t staleness : std::initializer_list<std::int64_t>{0, 1, 3, 10, kUnbounded}) {
        job.terms.staleness = staleness;
        SimulatedCluster cluster({.ranks = job.ranks, .seed = 1});
        World world;
        std::vector<std::unique_ptr<Member<float>>> members;
        for (Rank rank = 0; rank < job.ranks; ++rank)
            members.push_back(std::make_unique<Member<float>>(world, job, cluster.transport(rank), cluster.time()));
        for (auto& member : members) member->start();
        while (!std::ranges::all_of(members, [](auto& m) { return m->rank().is_done(); }))
            REQUIRE(cluster.time().step());
        seconds.push_back(cluster.time().seconds_since_start());
    }
    CAPTURE(seconds);
    for (std::size_t i = 1; i < seconds.size(); ++i) CHECK(seconds[i] < seconds[i - 1]);
    CHECK(seconds[0] > 50 * 0.03);                              // 50 steps of the slowest
    CHECK(seconds.back() < 1.1 * 200 / (3 / 0.01 + 1 / 0.03));  // each at its own pace
}
