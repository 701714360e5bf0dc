// SPDX-License-Identifier: Apache-2.0
// Links as if they carried so much and no more.
#include "catch.hpp"

#include <sys/epoll.h>

#include <chrono>

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

}  // namespace

TEST_CASE("a bucket of bytes gives what the rate says, and its timer tells when there is more") {
    RateLimit limit(1e6);
    const std::size_t first = limit.allowance(RateLimit::kOut);
    CHECK(first == 65536);
    limit.moved(RateLimit::kOut, first);
    CHECK(limit.allowance(RateLimit::kOut) == 0);
    CHECK(limit.allowance(RateLimit::kIn) == 65536);  // each way has its own
    const auto since = std::chrono::steady_clock::now();
    const UniqueFd epoll(::epoll_create1(0));
    epoll_event event{.events = EPOLLIN, .data = {}};
    REQUIRE(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, limit.fd(), &event) == 0);
    REQUIRE(::epoll_wait(epoll.get(), &event, 1, 5000) == 1);
    const double waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    CHECK(waited > 0.0075);  // an eighth of the bucket
    limit.look();
    CHECK(::epoll_wait(epoll.get(), &event, 1, 0) == 0);
    CHECK(limit.allowance(RateLimit::kOut) >= 8192);
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

TEST_CASE("a slowed link needs a transport that has links") {
    auto all = slow_job(2);
    for (JoinOptions& options : all) options.transport = TransportKind::shared_memory;
    for (const Outcome& outcome : run_ranks(all, [](Transport&) {})) {
        CHECK(outcome.kind == Kind::config);
        CHECK(contains(outcome.text, "the transport tcp or auto"));
    }
}
