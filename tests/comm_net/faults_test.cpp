// SPDX-License-Identifier: Apache-2.0
// Ranks that give up, vanish, stall or leave in good order, as threads of one process.
#include <atomic>

#include "catch.hpp"
#include "ranks.hpp"
#include "support/wait_any.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;
using Kind = Outcome::Kind;

namespace {

void exchange_once(Transport& transport, const OperationTag& tag, std::size_t length = 1000) {
    std::vector<std::vector<std::byte>> in(static_cast<std::size_t>(transport.size()), std::vector<std::byte>(length));
    const std::vector<std::byte> out(length);
    std::vector<std::unique_ptr<Transfer>> transfers;
    for (Rank peer = 0; peer < transport.size(); ++peer) {
        if (peer == transport.rank()) continue;
        transfers.push_back(transport.post_receive(peer, tag, in[static_cast<std::size_t>(peer)]));
        transfers.push_back(transport.post_send(peer, tag, out));
    }
    for (auto& transfer : transfers) transport.wait(*transfer);
}

std::vector<JoinOptions> with_deadlines(const Way& way, int size, double deadline, double stall) {
    auto all = job_options(size, way);
    for (auto& options : all) {
        options.deadline_seconds = deadline;
        options.stall_seconds = stall;
    }
    return all;
}

}  // namespace

TEST_CASE("an abort reaches every rank with its reason") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    for (const Rank who : {0, 2}) {
        CAPTURE(who);
        const auto outcomes = run_ranks(job_options(4, way), [&](Transport& transport) {
            exchange_once(transport, {1842, 3, 615});
            if (transport.rank() == who) transport.abort("disk full");
            exchange_once(transport, {1842, 3, 615}, 100'000);
        });
        for (const Outcome& outcome : outcomes) {
            CAPTURE(outcome.text);
            CHECK(outcome.kind == Kind::peer_lost);
            CHECK(contains(outcome.text, text("rank ", who, " (host ")));
            CHECK(contains(outcome.text,
                           ") gave up: disk full, while waiting in bucket 3 of step 615 (all-reduce #1842); "
                           "survivors stop. Start again."));
            CHECK(outcome.seconds < 2);
        }
    }
}

TEST_CASE("an abort from another thread ends a wait under way") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        std::thread other([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            if (transport.rank() == 1) transport.abort("asked to stop");
        });
        std::byte b{};
        const Outcome outcome = outcome_of([&] {
            transport.wait(*transport.post_receive(1 - transport.rank(), {1, 0, 0}, std::span(&b, 1)));
        });
        other.join();
        // Every later wait fails as well, whatever it is for.
        transport.wait(*transport.post_send(1 - transport.rank(), {2, 0, 0}, std::span(&b, 1)));
        throw InternalError("a wait after ", outcome.text, " did not throw");
    });
    for (const Outcome& outcome : outcomes) {
        CHECK(outcome.kind == Kind::peer_lost);
        CHECK(contains(outcome.text, "gave up: asked to stop"));
        CHECK(outcome.seconds < 3);
    }
}

TEST_CASE("a transport that is destroyed without a goodbye is a loss to the others") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto all = job_options(3, way);
    std::vector<Outcome> outcomes(3);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 3; ++i)
        threads.emplace_back([&, i] {
            outcomes[i] = outcome_of([&] {
                const auto transport = join_tcp(all[i]);
                exchange_once(*transport, {1, 0, 1});
                if (i == 1) return;
                exchange_once(*transport, {2, 0, 2});
            });
        });
    for (auto& thread : threads) thread.join();
    CHECK(outcomes[1].text == "");
    for (const std::size_t i : {0u, 2u}) {
        CAPTURE(outcomes[i].text);
        CHECK(outcomes[i].kind == Kind::peer_lost);
        CHECK(contains(outcomes[i].text, "rank 1 (host "));
        CHECK(contains(outcomes[i].text, "ended without a goodbye"));
        CHECK(outcomes[i].seconds < 2);
    }
}

TEST_CASE("a transfer dropped half way stops the job instead of shifting its bytes") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    std::atomic<bool> dropped{false};
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        std::vector<std::byte> buffer(64'000'000);  // more than sockets and rings hold
        if (transport.rank() == 0) {
            transport.post_send(1, {1, 0, 0}, buffer);  // destroyed at once
            dropped = true;
        }
        // A receiver that came earlier could have all of it before a slow sender drops it.
        while (!dropped) std::this_thread::yield();
        transport.wait(*transport.post_receive(1 - transport.rank(), {1, 0, 0}, buffer));
    });
    for (const Outcome& outcome : outcomes) {
        CHECK(outcome.kind == Kind::peer_lost);
        CHECK(contains(outcome.text, "given up before it was complete"));
    }
}

TEST_CASE("the first of several transfers, an interrupt, or the end of the job ends a wait") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes =
        run_ranks(job_options(3, way), [](Transport& transport) { firecaffe::testing::play_wait_any(transport); });
    for (const Outcome& outcome : outcomes) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == Kind::peer_lost);
        CHECK(contains(outcome.text, "gave up: it has seen enough"));
    }
}

TEST_CASE("a rank that stalls is named, one that advances is waited for") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes = run_ranks(with_deadlines(way, 3, 4, 1), [&](Transport& transport) {
        if (transport.rank() == 2)  // longer than the stall limit, but with progress
            for (int i = 0; i < 10; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds(200));
                transport.note_progress();
            }
        exchange_once(transport, {1, 0, 1});
        if (transport.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2500));
        exchange_once(transport, {2, 7, 44});
    });
    for (const Outcome& outcome : outcomes) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == Kind::peer_lost);
        CHECK(contains(outcome.text, "rank 1 (host "));
        CHECK(contains(outcome.text, "made no progress for more than 1 s while others wait for it"));
        CHECK(contains(outcome.text, "bucket 7 of step 44"));
        CHECK(outcome.seconds < 7);
    }
    CHECK(contains(outcomes[1].text, "this process"));
}

TEST_CASE("who is ready first waits for the others before it leaves") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes = run_ranks(with_deadlines(way, 4, 5, 60), [&](Transport& transport) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200) * transport.rank());
        if (transport.rank() >= 2) {  // 0 and 1 are closing by now
            std::byte b{};
            if (transport.rank() == 2) transport.wait(*transport.post_receive(3, {1, 0, 0}, std::span(&b, 1)));
            if (transport.rank() == 3) transport.wait(*transport.post_send(2, {1, 0, 0}, std::span(&b, 1)));
        }
    });
    for (const Outcome& outcome : outcomes) {
        CHECK(outcome.text == "");
        CHECK(outcome.seconds < 3);
    }
}

TEST_CASE("a goodbye that nobody answers is bounded, and is no death") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes = run_ranks(with_deadlines(way, 3, 1.5, 60), [&](Transport& transport) {
        if (transport.rank() == 1) return;  // closes, and leaves after 1.5 s
        for (int i = 0; i < 10; ++i) {
            std::byte b{};
            const Rank peer = 2 - transport.rank();
            const auto receive = transport.post_receive(peer, {1, 0, 0}, std::span(&b, 1));
            transport.wait(*transport.post_send(peer, {1, 0, 0}, std::span(&b, 1)));
            transport.wait(*receive);
            std::this_thread::sleep_for(std::chrono::milliseconds(250));
        }
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    CHECK(outcomes[1].seconds < 2.3);
    CHECK(outcomes[0].seconds > 2.3);
}
