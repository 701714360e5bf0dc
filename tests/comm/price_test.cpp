// SPDX-License-Identifier: Apache-2.0
// Prices of plans against the closed formulas of docs/algorithms.md.
#include "catch.hpp"

#include <algorithm>
#include <string>

#include "firecaffe/comm/collective/price.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

// All values are whole nanoseconds for lengths that are a multiple of the number of ranks.
constexpr double kAlpha = 30e-6, kBeta = 4e-9, kGamma = 1e-9;
constexpr std::size_t kCount = 840 * 64;
constexpr double kBytes = kCount * 4.0;

const Scheme& scheme(const std::string& name) {
    for (const Scheme& one : schemes())
        if (one.name == name) return one;
    throw UsageError("no scheme '", name, "'");
}

double seconds_of(const std::string& name, int p, const NetworkModel& network, std::size_t chunk_bytes,
                  const SchemeOptions& options = {}) {
    const Plan plan = scheme(name).plan(p, p, options);
    return price(plan, kCount, DType::float32, network, {.chunk_bytes = chunk_bytes}).seconds;
}

double step_by_step(const std::string& name, int p, double gamma = 0, const SchemeOptions& options = {}) {
    return seconds_of(name, p, {.link = {kAlpha, kBeta}, .gamma = gamma}, kWholeRequest, options);
}

double message(double bytes) {
    return kAlpha + bytes * kBeta;
}

int ceil_log2(int n) {
    int levels = 0;
    while ((1 << levels) < n) ++levels;
    return levels;
}

}  // namespace

TEST_CASE("step by step, a plan costs what its formula says") {
    for (const int p : {1, 2, 3, 4, 5, 6, 7, 8}) {
        CAPTURE(p);
        const double rounds = 2.0 * (p - 1), levels = ceil_log2(p);
        // Where a rank receives from several, or sends to several, the latencies of their messages pass at once.
        const auto costs = [](double seconds, double formula, double hidden_latencies) {
            CHECK(seconds <= formula * (1 + 1e-6));
            CHECK(seconds >= (formula - hidden_latencies * kAlpha) * (1 - 1e-6));
        };
        costs(step_by_step("star", p), rounds * message(kBytes), std::max(p - 2, 0));
        costs(step_by_step("tree", p), 2 * levels * message(kBytes), (p & (p - 1)) == 0 ? 0 : levels);
        CHECK(step_by_step("ring", p) == Approx(rounds * message(kBytes / p)));
        CHECK(step_by_step("direct", p) == Approx(rounds * message(kBytes / p)));
        CHECK(step_by_step("sharded_server", p, 0, {.servers = 1}) == step_by_step("star", p));
    }
    for (const int k : {1, 2, 3, 4}) {
        CAPTURE(k);
        const int p = 1 << k;
        CHECK(step_by_step("halving_doubling", p) == Approx(2 * k * kAlpha + 2.0 * (p - 1) / p * kBytes * kBeta));
        CHECK(step_by_step("recursive_doubling", p) == Approx(k * message(kBytes)));
    }
}

TEST_CASE("step by step, who shares a port with another round is late, by as much as its turn says") {
    // Times the formula. Servers do not wait for one another's rounds: a rank's messages to two of them share its port,
    // and both servers wait for them. No formula says how this ends; these are what the ports of the header give.
    constexpr double kServers[2][7] = {{1, 1, 0.989, 0.992, 0.974, 0.978, 0.972},  // 2 servers, 2 to 8 ranks
                                       {0, 1, 1, 1.113, 0.972, 1.060, 1.038}};     // 3 servers, 3 to 8 ranks
    for (const int k : {2, 3})
        for (int p = k; p <= 8; ++p) {
            CAPTURE(k, p);
            const double formula = 2.0 * (p - 1) * message(kBytes / k);
            CHECK(step_by_step("sharded_server", p, 0, {.servers = k}) / formula ==
                  Approx(kServers[k - 2][p - 2]).margin(0.002));
        }
    // A rank that is a leaf in one tree and not in the other may send, or receive, in both in the same round.
    constexpr double kDoubleTree[] = {1, 0.989, 0.987, 1.048};
    for (const int k : {1, 2, 3, 4}) {
        CAPTURE(k);
        CHECK(step_by_step("double_tree", 1 << k) / ((4 * k - 2) * message(kBytes / 2)) ==
              Approx(kDoubleTree[k - 1]).margin(0.002));
    }
}

TEST_CASE("a port takes messages one by one, in the order in which they come to it") {
    using Kind = Step::Kind;
    Plan plan;
    plan.scheme = "ports";
    plan.ranks = 4;
    plan.inputs.assign(4, 1);
    plan.rounds = 1;
    const double alone = kBytes * kBeta;
    const auto check = [&](std::vector<double> expected,
                           const ExecutorOptions& options = {.chunk_bytes = kWholeRequest}) {
        const auto seconds = price(plan, kCount, DType::float32, {.link = {kAlpha, kBeta}}, options).rank_seconds;
        REQUIRE(seconds.size() == expected.size());
        for (std::size_t rank = 0; rank < expected.size(); ++rank) {
            CAPTURE(rank);
            CHECK(seconds[rank] == Approx(expected[rank]));
        }
    };
    // 0 -> 2, 1 -> 2 and 1 -> 3, all at once: 2 receives the one after the other, and 1 sends so.
    plan.steps = {{{.kind = Kind::send, .peer = 2}},
                  {{.kind = Kind::send, .peer = 2}, {.kind = Kind::send, .peer = 3}},
                  {{.kind = Kind::receive_add, .peer = 0}, {.kind = Kind::receive_add, .peer = 1}},
                  {{.kind = Kind::receive_add, .peer = 1}}};
    check({kAlpha + alone, kAlpha + 2 * alone, kAlpha + 2 * alone, kAlpha + 2 * alone});
    // Without 1 -> 2 nobody waits.
    plan.steps[1].erase(plan.steps[1].begin());
    plan.steps[2].pop_back();
    check(std::vector<double>(4, kAlpha + alone));
    // 2 adds what 3 brings and sends it to 1, which asks for what 0 has sent after that, but has it by then: it may ask
    // for one message ahead.
    plan.steps = {{{.kind = Kind::send, .peer = 1}},
                  {{.kind = Kind::receive_add, .peer = 2}, {.kind = Kind::receive_add, .peer = 0}},
                  {{.kind = Kind::receive_add, .peer = 3}, {.kind = Kind::send, .peer = 1}},
                  {{.kind = Kind::send, .peer = 2}}};
    check({kAlpha + alone, 2 * (kAlpha + alone), 2 * (kAlpha + alone), kAlpha + alone},
          {.chunk_bytes = kWholeRequest, .receives_ahead = 2});
    // 0 -> 2, 3 -> 2 and 4 -> 2 come one after the other, and 0 -> 1 leaves when 0 -> 2 has left.
    plan.ranks = 5;
    plan.inputs.assign(5, 1);
    plan.steps = {{{.kind = Kind::send, .peer = 2}, {.kind = Kind::send, .peer = 1}},
                  {{.kind = Kind::receive_add, .peer = 0}},
                  {{.kind = Kind::receive_add, .peer = 0},
                   {.kind = Kind::receive_add, .peer = 3},
                   {.kind = Kind::receive_add, .peer = 4}},
                  {{.kind = Kind::send, .peer = 2}},
                  {{.kind = Kind::send, .peer = 2}}};
    check({kAlpha + 2 * alone, kAlpha + 2 * alone, kAlpha + 3 * alone, kAlpha + 2 * alone, kAlpha + 3 * alone});
}

TEST_CASE("additions cost gamma where nothing hides them") {
    for (const int k : {1, 2, 3, 4}) {
        const int p = 1 << k;
        CAPTURE(p);
        CHECK(step_by_step("tree", p, kGamma) == Approx(2 * k * message(kBytes) + k * kBytes * kGamma));
        CHECK(step_by_step("ring", p, kGamma) ==
              Approx(2.0 * (p - 1) * message(kBytes / p) + (p - 1.0) / p * kBytes * kGamma));
        CHECK(step_by_step("recursive_doubling", p, kGamma) == Approx(k * (message(kBytes) + kBytes * kGamma)));
        CHECK(step_by_step("halving_doubling", p, kGamma) ==
              Approx(2 * k * kAlpha + (p - 1.0) / p * kBytes * (2 * kBeta + kGamma)));
    }
}

TEST_CASE("in chunks, a long request costs what its busiest link carries") {
    // Alpha is small, so that only this counts; 420 chunks, so that filling the pipeline does not.
    const NetworkModel network{.link = {1e-9, kBeta}};
    for (const int p : {2, 3, 4, 5, 8, 16}) {
        for (const Scheme& one : schemes()) {
            if (!one.pipelined) continue;
            CAPTURE(p, one.name);
            const PlanReport report = simulate(one.plan(p, p, {}), p, kCount);
            const auto busiest = static_cast<double>(
                std::max(std::ranges::max(report.bytes_sent), std::ranges::max(report.bytes_received)));
            const double seconds = seconds_of(one.name, p, network, 512);
            CHECK(seconds >= busiest * kBeta * 0.999);  // times are whole nanoseconds
            CHECK(seconds <= 1.05 * busiest * kBeta);
        }
    }
}

TEST_CASE("two levels: links between hosts and within them have prices of their own") {
    const LinkModel between{50e-6, 8e-9}, within{5e-6, 1e-9};
    for (const int hosts : {2, 3}) {
        for (const int g : {2, 4}) {
            CAPTURE(hosts, g);
            const int p = hosts * g;
            const double expected = 2 * (g - 1) * (within.alpha + kBytes / g * within.beta) +
                                    2 * (hosts - 1) * (between.alpha + kBytes / p * between.beta);
            CHECK(seconds_of("two_level", p, {.link = between, .host_link = within, .ranks_per_host = g}, kWholeRequest,
                             {.ranks_per_host = g}) == Approx(expected));
        }
    }
}

TEST_CASE("a price counts messages, knows each rank, and is the same every time") {
    const Plan plan = scheme("tree").plan(6, 6, {});  // each message is the whole request
    const NetworkModel network{.link = {kAlpha, kBeta}, .gamma = kGamma};
    const Price whole = price(plan, 1000, DType::float64, network, {.chunk_bytes = kWholeRequest});
    CHECK(whole.messages == simulate(plan, 6).messages);
    const Price chunks = price(plan, 1000, DType::float64, network, {.chunk_bytes = 800});
    CHECK(chunks.messages == 10 * whole.messages);
    REQUIRE(chunks.rank_seconds.size() == 6);
    for (const double seconds : chunks.rank_seconds) CHECK(seconds <= chunks.seconds);
    CHECK(chunks.rank_seconds == price(plan, 1000, DType::float64, network, {.chunk_bytes = 800}).rank_seconds);
    CHECK(price(plan, 0, DType::float32, network).seconds > 0);  // empty messages are messages
    CHECK(price(scheme("ring").plan(1, 1, {}), 1000, DType::float32, network).seconds == 0);
}

TEST_CASE("where processors move the bytes, they do nothing else meanwhile") {
    const auto both = [](const char* name) {
        const auto with = [&](bool by_processors) {
            const NetworkModel network{.link = {1e-9, kBeta, by_processors}, .gamma = kBeta};
            return seconds_of(name, 2, network, 4 * 64) / (kBytes * kBeta);
        };
        return std::pair(with(false), with(true));
    };
    // Of two ranks, the star's first one and both of recursive doubling receive all, add it, and send all.
    for (const char* name : {"star", "recursive_doubling"}) {
        CAPTURE(name);
        const auto [by_links, by_processors] = both(name);
        CHECK(by_links < 1.1);
        CHECK(by_processors == Approx(2.0));
    }
    CHECK(both("ring").second == Approx(1.5).epsilon(0.02));  // half is added here and half there
}

TEST_CASE("a network model must make sense") {
    const Plan plan = scheme("ring").plan(2, 2, {});
    CHECK_THROWS_AS(price(plan, 1, DType::float32, {.link = {-1, 0}}), UsageError);
    CHECK_THROWS_AS(price(plan, 1, DType::float32, {.gamma = 1e7}), UsageError);
    CHECK_THROWS_AS(price(plan, 1, DType::float32, {.ranks_per_host = 0}), UsageError);
    CHECK_THROWS_AS(price(plan, 1, DType::int32, {}), UsageError);
    CHECK_THROWS_AS(price(plan, 1, DType::float32, {}, {.chunk_bytes = 0}), UsageError);
}
