// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "ranks.hpp"

#include "comm/transport/watch.hpp"

using namespace firecaffe::comm;
using namespace std::chrono_literals;

namespace {

std::vector<PeerInfo> peers(int size) {
    std::vector<PeerInfo> all;
    for (int rank = 0; rank < size; ++rank) all.push_back({rank, "h" + std::to_string(rank), 100 + rank});
    return all;
}

const Watch::Limits kLimits{1s, 10s, 300ms};
const Time kStart{};

// Everybody but `silent` beats every 100 ms until `end`; the first verdict and its time.
struct Found {
    Time when;
    Verdict verdict;
};
std::optional<Found> run(Watch& watch, Time from, Time end, const std::function<Pulse(Rank, Time)>& pulse_of,
                         Rank silent = -1) {
    for (Time now = from; now <= end; now += 100ms) {
        for (Rank rank = 0; rank < 4; ++rank)
            if (rank != silent) watch.pulse(rank, pulse_of(rank, now), now);
        if (const auto verdict = watch.judge(now)) return Found{now, *verdict};
    }
    return std::nullopt;
}

Pulse advancing(Rank, Time now) {
    return {static_cast<std::uint64_t>(now.time_since_epoch().count()), -1, {}};
}

}  // namespace

TEST_CASE("the watch names who falls silent, in time") {
    Watch watch(peers(4), 0, kLimits, kStart);
    const auto found = run(watch, kStart, kStart + 5s, advancing, 2);
    REQUIRE(found);
    CHECK(found->verdict.culprit == 2);
    CHECK(found->verdict.cause == "lost rank 2 (host h2, pid 102): no sign of life for more than 1 s");
    CHECK(found->when - kStart <= 1200ms);
}

TEST_CASE("nobody is blamed while all advance, or after a goodbye") {
    Watch watch(peers(4), 0, kLimits, kStart);
    CHECK(!run(watch, kStart, kStart + 60s, advancing));
    watch.goodbye(2);
    watch.closed(2, "its connection closed");
    CHECK(!run(watch, kStart + 60s, kStart + 90s, advancing, 2));
    CHECK(!watch.all_said_goodbye());
    for (const Rank rank : {0, 1, 3}) watch.goodbye(rank);
    CHECK(watch.all_said_goodbye());
}

TEST_CASE("a process that was stopped itself blames nobody for it") {
    Watch watch(peers(4), 0, kLimits, kStart);
    CHECK(!run(watch, kStart, kStart + 2s, advancing));
    CHECK(!watch.judge(kStart + 60s));  // woke up; nothing was read in between
    CHECK(!watch.judge(kStart + 60s + 200ms));
    const auto found = run(watch, kStart + 60s + 300ms, kStart + 70s, advancing, 1);
    REQUIRE(found);  // but who stays silent from then on is found
    CHECK(found->verdict.culprit == 1);
}

TEST_CASE("after a stop, what is heard and seen anew is as fresh as it is") {
    Watch watch(peers(4), 0, kLimits, kStart);
    CHECK(!run(watch, kStart, kStart + 2s, advancing));
    const Time awake = kStart + 600s;  // everybody is heard before the first judgement, and rank 1 never again
    for (Rank rank = 0; rank < 4; ++rank) watch.heard(rank, awake);
    CHECK(!watch.judge(awake));
    const auto found = run(watch, awake + 100ms, awake + 10s, advancing, 1);
    REQUIRE(found);
    CHECK(found->verdict.culprit == 1);
    CHECK(found->when - awake <= 1200ms);

    Watch other(peers(4), 0, kLimits, kStart);
    CHECK(!run(other, kStart, kStart + 2s, advancing));
    for (Rank rank = 0; rank < 4; ++rank) other.heard(rank, awake);
    other.report(0, 3, "its data connection closed", false, awake);
    CHECK(!other.judge(awake));
    REQUIRE(other.judge(awake + 310ms));
    CHECK(other.judge(awake + 310ms)->culprit == 3);
}

TEST_CASE("once rank 0 has left in order, the others watch whom they wait for themselves") {
    for (const bool rank_0_has_left : {true, false}) {
        Watch watch(peers(4), 1, kLimits, kStart);
        watch.goodbye(0);
        if (rank_0_has_left) watch.closed(0, "its connection closed");
        std::optional<Found> found;
        for (Time now = kStart; now < kStart + 60s && !found; now += 100ms) {
            const bool waits = now >= kStart + 20s;  // before that it computes for long, which is its own affair
            watch.pulse(1, {waits ? 6u : 5u, waits ? 2 : -1, {}}, now);
            if (const auto verdict = watch.judge(now)) found = Found{now, *verdict};
        }
        REQUIRE(found.has_value() == rank_0_has_left);
        if (!found) continue;
        CHECK(found->verdict.culprit == 2);
        CHECK(contains(found->verdict.cause, "nothing came from it for more than 10 s"));
        CHECK(found->when - kStart >= 30s);
        CHECK(found->when - kStart < 31s);
    }
}

TEST_CASE("a closed connection is a death at once, a broken data connection only after a while") {
    Watch watch(peers(4), 0, kLimits, kStart);
    watch.report(1, 3, "its data connection closed", false, kStart);
    CHECK(!watch.judge(kStart + 100ms));
    watch.closed(2, "its connection closed");
    auto verdict = watch.judge(kStart + 200ms);
    REQUIRE(verdict);
    CHECK(verdict->cause == "lost rank 2 (host h2, pid 102): its connection closed");
    CHECK(watch.judge(kStart + 250ms)->culprit == 2);  // it stays

    Watch other(peers(4), 0, kLimits, kStart);
    other.report(1, 3, "its data connection closed", false, kStart);
    CHECK(!other.judge(kStart + 290ms));
    verdict = other.judge(kStart + 310ms);
    REQUIRE(verdict);
    CHECK(verdict->cause ==
          "lost rank 3 (host h3, pid 103): its data connection closed (seen by rank 1 (host h1, pid 101))");

    Watch third(peers(4), 0, kLimits, kStart);
    third.report(1, 3, "it sent a damaged frame", true, kStart);
    REQUIRE(third.judge(kStart));
    CHECK(third.judge(kStart)->culprit == 3);
}

TEST_CASE("the others leave all but rank 0 to rank 0") {
    Watch watch(peers(4), 1, kLimits, kStart);
    watch.closed(2, "its connection closed");
    for (Time now = kStart; now < kStart + 5s; now += 100ms) {
        watch.heard(0, now);
        REQUIRE(!watch.judge(now));
    }
    watch.closed(0, "its connection closed");
    REQUIRE(watch.judge(kStart + 5s));
    CHECK(watch.judge(kStart + 5s)->culprit == 0);
}

TEST_CASE("who makes no progress while others wait is lost, who is slow is not") {
    const auto stuck = [](Rank rank, Time now) {
        Pulse pulse = advancing(rank, now);
        if (rank == 2) pulse.progress = 5;
        if (rank == 1) pulse = {9, 2, {1842, 3, 615}};
        if (rank == 3) pulse = {9, 1, {1842, 3, 615}};
        return pulse;
    };
    Watch watch(peers(4), 0, kLimits, kStart);
    const auto found = run(watch, kStart, kStart + 60s, stuck);
    REQUIRE(found);
    CHECK(found->verdict.culprit == 2);
    CHECK(contains(found->verdict.cause, "made no progress for more than 10 s while others wait for it"));
    CHECK(found->when - kStart >= 10s);
    CHECK(found->when - kStart < 11s);

    Watch patient(peers(4), 0, kLimits, kStart);
    CHECK(!run(patient, kStart, kStart + 60s,
               [&](Rank rank, Time now) { return rank == 2 ? advancing(rank, now) : stuck(rank, now); }));
    Watch unasked(peers(4), 0, kLimits, kStart);  // no progress, but nobody waits: it may compute
    CHECK(!run(unasked, kStart, kStart + 60s, [&](Rank, Time) { return Pulse{}; }));
}

TEST_CASE("ranks that wait for one another are found") {
    const auto circle = [](Rank rank, Time now) {
        if (rank == 1) return Pulse{4, 2, {10, 1, 7}};
        if (rank == 2) return Pulse{4, 1, {11, 2, 7}};
        return advancing(rank, now);
    };
    Watch watch(peers(4), 0, kLimits, kStart);
    const auto found = run(watch, kStart, kStart + 60s, circle);
    REQUIRE(found);
    CHECK(contains(found->verdict.cause, "wait for one another"));
    CHECK(contains(found->verdict.cause, "rank 1 in bucket 1 of step 7 (all-reduce #10)"));
    CHECK(contains(found->verdict.cause, "rank 2 in bucket 2 of step 7 (all-reduce #11)"));
}
