// SPDX-License-Identifier: Apache-2.0
// Links as if they carried so much and no more.
#include "catch.hpp"

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>

#include "comm/transport/rate_limit.hpp"
#include "ranks.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;
using Kind = Outcome::Kind;

namespace {

constexpr double kRate = 25e6;  // bytes a second
constexpr std::size_t kBytes = 10'000'000;

std::vector<JoinOptions> slow_job(int size, Encryption encryption = Encryption::none) {
    auto all = job_options(size, {TransportKind::automatic, encryption});
    for (JoinOptions& options : all) options.bytes_per_second = kRate;
    return all;
}

// The seconds of the slowest rank.
double seconds_of(const std::vector<JoinOptions>& all, const RankFunction& function) {
    double slowest = 0;
    std::mutex mutex;
    const auto outcomes = run_ranks(all, [&](Transport& transport) {
        const auto since = std::chrono::steady_clock::now();
        function(transport);
        const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
        const std::lock_guard lock(mutex);
        slowest = std::max(slowest, took);
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    return slowest;
}

// From `ask`, which is told that there is nothing, until the limit's timer says that there is something again.
template <class Ask>
double seconds_until_readable(RateLimit& limit, Ask ask) {
    const UniqueFd epoll(::epoll_create1(0));
    epoll_event event{.events = EPOLLIN, .data = {}};
    REQUIRE(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, limit.fd(), &event) == 0);
    const auto since = std::chrono::steady_clock::now();
    ask();
    REQUIRE(::epoll_wait(epoll.get(), &event, 1, 60'000) == 1);
    const double waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    limit.look();
    CHECK(::epoll_wait(epoll.get(), &event, 1, 0) == 0);
    return waited;
}

}  // namespace

TEST_CASE("a bucket of bytes gives what the rate says, and its timer tells when there is more") {
    RateLimit limit(1e4);
    CHECK(limit.allowance(RateLimit::kOut) == 8192);  // an eighth of what it holds
    limit.moved(RateLimit::kOut, 65536 + 2000);
    const double waited = seconds_until_readable(limit, [&] { CHECK(limit.allowance(RateLimit::kOut) == 0); });
    CHECK(waited > 0.19);
    CHECK(waited < 5);
    CHECK(limit.allowance(RateLimit::kIn) == 8192);  // each way has its own
    CHECK(limit.allowance(RateLimit::kOut) == 8192);
}

TEST_CASE("a drained bucket does not keep a short message until there is enough for a long one") {
    RateLimit limit(1e3);
    limit.moved(RateLimit::kOut, 65536 + 40);
    CHECK(seconds_until_readable(limit, [&] { limit.allowance(RateLimit::kOut); }) < 4);  // for an eighth it takes 8 s
    CHECK(limit.allowance(RateLimit::kOut) > 0);
}

TEST_CASE("the way that has waited less is told first") {
    RateLimit limit(1e3);
    limit.moved(RateLimit::kOut, 65536 + 60'000);
    limit.moved(RateLimit::kIn, 65536 + 100);
    CHECK(seconds_until_readable(limit, [&] {
              limit.allowance(RateLimit::kOut);
              limit.allowance(RateLimit::kIn);
          }) < 5);
    CHECK(limit.allowance(RateLimit::kIn) > 0);
    CHECK(limit.allowance(RateLimit::kOut) == 0);
}

TEST_CASE("rates that nobody has do no harm") {
    RateLimit none(1e-300), all(1e15);
    for (RateLimit* const limit : {&none, &all}) {
        limit->moved(RateLimit::kOut, 1'000'000);
        limit->allowance(RateLimit::kOut);
    }
    CHECK(none.allowance(RateLimit::kOut) == 0);
    CHECK(all.allowance(RateLimit::kOut) == 250'000'000'000);
}

TEST_CASE("two ranks with slowed links exchange as fast as their rate lets them, both ways at once") {
    for (const Encryption encryption : {Encryption::none, Encryption::tls}) {
        CAPTURE(to_string(encryption));
        const double took = seconds_of(slow_job(2, encryption), [](Transport& transport) {
            std::vector<std::byte> out(kBytes, std::byte{5}), in(kBytes);
            const Rank other = 1 - transport.rank();
            const auto receive = transport.post_receive(other, {1, 0, 0}, in);
            transport.wait(*transport.post_send(other, {1, 0, 0}, out));
            transport.wait(*receive);
            if (in != out) throw InternalError("other bytes came");
        });
        CHECK(took > 0.95 * kBytes / kRate);  // the burst of the beginning comes at once
        CHECK(took < 3 * kBytes / kRate);     // tests run beside others
    }
}

TEST_CASE("who receives from several with a slowed link has one link for all of them") {
    const double took = seconds_of(slow_job(4), [](Transport& transport) {
        std::vector<std::vector<std::byte>> parts(4, std::vector<std::byte>(kBytes / 3));
        std::vector<std::unique_ptr<Transfer>> transfers;
        if (transport.rank() > 0) transfers.push_back(transport.post_send(0, {1, 0, 0}, parts[0]));
        for (Rank from = 1; transport.rank() == 0 && from < 4; ++from)
            transfers.push_back(transport.post_receive(from, {1, 0, 0}, parts[static_cast<std::size_t>(from)]));
        for (const auto& transfer : transfers) transport.wait(*transfer);
    });
    CHECK(took > 0.95 * kBytes / kRate);
    CHECK(took < 3 * kBytes / kRate);
}

TEST_CASE("links that share a rate have it in turn") {
    std::array<std::atomic<double>, 4> took{};
    seconds_of(slow_job(4), [&](Transport& transport) {
        const auto since = std::chrono::steady_clock::now();
        std::vector<std::byte> bytes(kBytes / 4);
        std::vector<std::unique_ptr<Transfer>> transfers;
        for (Rank to = 1; transport.rank() == 0 && to < 4; ++to)
            transfers.push_back(transport.post_send(to, {1, 0, 0}, bytes));
        if (transport.rank() > 0) transfers.push_back(transport.post_receive(0, {1, 0, 0}, bytes));
        for (auto last = transfers.rbegin(); last != transfers.rend(); ++last) transport.wait(**last);
        took[static_cast<std::size_t>(transport.rank())] =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    });
    for (std::size_t rank = 1; rank < 4; ++rank) {
        CAPTURE(rank, took[rank]);
        CHECK(took[rank] > 0.6 * 3 * (kBytes / 4) / kRate);  // alone it would have taken a third
    }
}

TEST_CASE("a slowed link needs a transport that has links, and a rate") {
    auto all = slow_job(2);
    for (JoinOptions& options : all) options.transport = TransportKind::shared_memory;
    for (const Outcome& outcome : run_ranks(all, [](Transport&) {})) {
        CHECK(outcome.kind == Kind::config);
        CHECK(contains(outcome.text, "reducer.link_mbit"));
        CHECK(contains(outcome.text, "the transport tcp or auto"));
    }
    for (const double rate : {-1.0, 1e16, std::nan("")}) {
        for (JoinOptions& options : all) options.bytes_per_second = rate;
        for (const Outcome& outcome : run_ranks(all, [](Transport&) {})) {
            CHECK(outcome.kind == Kind::usage);
            CHECK(contains(outcome.text, text("a link cannot carry ", rate, " bytes a second; give 0")));
        }
    }
}
