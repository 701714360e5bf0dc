// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "catch.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "ranks.hpp"
#include "support/allocation_counter.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

TEST_CASE("every pair of ranks exchanges transfers of every length") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    for (const int size : {1, 2, 3, 5, 8}) {
        CAPTURE(size);
        std::vector<int> wrong(static_cast<std::size_t>(size));
        std::vector<std::uint64_t> sent(static_cast<std::size_t>(size));
        const auto outcomes = run_ranks(job_options(size, way), [&](Transport& transport) {
            const Rank me = transport.rank();
            if (transport.size() != size) ++wrong[0];
            std::uint64_t sequence = 0;
            for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1000000}}) {
                const OperationTag tag{++sequence, 3, 615};
                std::vector<std::vector<std::byte>> in(static_cast<std::size_t>(size)), out(in);
                std::vector<std::unique_ptr<Transfer>> transfers;
                for (Rank peer = 0; peer < size; ++peer) {
                    if (peer == me) continue;
                    const auto i = static_cast<std::size_t>(peer);
                    in[i].resize(length);
                    out[i] = pattern(length, static_cast<std::uint32_t>(me * 100 + peer));
                    transfers.push_back(transport.post_receive(peer, tag, in[i]));
                    transfers.push_back(transport.post_send(peer, tag, out[i]));
                }
                for (auto& transfer : transfers) transport.wait(*transfer);
                for (Rank peer = 0; peer < size; ++peer)
                    if (peer != me && in[static_cast<std::size_t>(peer)] !=
                                          pattern(length, static_cast<std::uint32_t>(peer * 100 + me)))
                        ++wrong[static_cast<std::size_t>(me)];
            }
            sent[static_cast<std::size_t>(me)] = transport.bytes_sent();
        });
        for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
        for (const int count : wrong) CHECK(count == 0);
        // Per pair and direction: frames of 64 bytes for 0, 1 and 7 bytes, and four chunks for a million. Of TLS, each
        // header is a record, and so is what begins every 16384 bytes of a chunk; a record adds 22 bytes.
        const std::uint64_t records = 7 + 2 + 3 * 16 + 14;
        const std::uint64_t added = way.encryption == Encryption::tls ? 22 * records : 0;
        for (const std::uint64_t bytes : sent)
            CHECK(bytes == static_cast<std::uint64_t>(size - 1) * (1000008 + 64 * (3 + 4) + added));
    }
}

TEST_CASE("a collective allocates nothing on the thread that runs it, once it is warm") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    constexpr std::size_t kCount = 100'000;
    std::vector<std::uint64_t> first(3), later(3);
    const auto outcomes = run_ranks(job_options(3, way), [&](Transport& transport) {
        const auto me = static_cast<std::size_t>(transport.rank());
        std::vector<float> values(kCount);
        const std::vector<std::byte*> slots{reinterpret_cast<std::byte*>(values.data())};
        const Plan plan = plan_tree(3, 3);
        Executor executor(transport, {.chunk_bytes = 4096});
        for (std::uint64_t sequence = 0; sequence < 5; ++sequence) {
            const testing::AllocationCounter counter;
            executor.run(plan, slots, kCount, DType::float32, {.sequence = sequence});
            (sequence == 0 ? first : later)[me] += counter.count();
        }
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    for (const std::uint64_t count : first) CHECK(count > 0);
    CHECK(later == std::vector<std::uint64_t>(3, 0));
}

TEST_CASE("both directions at once, far beyond the buffers of the system") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    constexpr std::size_t kLength = 30'000'001;
    std::vector<int> good(2);
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        const auto me = static_cast<std::uint32_t>(transport.rank());
        const Rank peer = 1 - transport.rank();
        std::vector<std::byte> in(kLength);
        const auto out = pattern(kLength, me);
        const auto send = transport.post_send(peer, {1, 0, 0}, out);
        const auto receive = transport.post_receive(peer, {1, 0, 0}, in);
        transport.wait(*send);  // not the receive first: waiting for one must move the other
        transport.wait(*receive);
        good[me] = in == pattern(kLength, 1 - me) ? 1 : 0;
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    CHECK(good == std::vector<int>{1, 1});
}

TEST_CASE("transfers advance while their owner computes") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    constexpr std::size_t kLength = 5'000'000;
    double waited = 0;
    bool good = false;
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        std::vector<std::byte> buffer(kLength);
        std::byte token{};
        if (transport.rank() == 0) {
            buffer = pattern(kLength, 7);
            const auto send = transport.post_send(1, {1, 0, 0}, buffer);
            const auto answer = transport.post_receive(1, {2, 0, 0}, std::span(&token, 1));
            // Rank 1 must get everything although this thread does not wait. Its answer then lies ready.
            std::this_thread::sleep_for(std::chrono::milliseconds(1000));
            const auto start = std::chrono::steady_clock::now();
            transport.wait(*send);
            transport.wait(*answer);
            waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        } else {
            const auto receive = transport.post_receive(0, {1, 0, 0}, buffer);
            transport.wait(*receive);
            good = buffer == pattern(kLength, 7);
            transport.wait(*transport.post_send(0, {2, 0, 0}, std::span(&token, 1)));
        }
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    CHECK(good);
    CHECK(waited < 0.3);
}

TEST_CASE("many transfers keep their order, and an early sender is slowed down, not lost") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    std::vector<int> wrong(2);
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        constexpr std::size_t kCount = 200, kLength = 100'000;
        if (transport.rank() == 0) {
            const auto out = pattern(kLength, 5);
            for (std::size_t i = 0; i < kCount; ++i)
                transport.wait(*transport.post_send(1, {i, static_cast<std::uint32_t>(i), 1}, out));
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            std::vector<std::byte> in(kLength);
            for (std::size_t i = 0; i < kCount; ++i) {
                std::fill(in.begin(), in.end(), std::byte{});
                transport.wait(*transport.post_receive(0, {i, static_cast<std::uint32_t>(i), 1}, in));
                if (in != pattern(kLength, 5)) ++wrong[1];
            }
        }
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    CHECK(wrong[1] == 0);
}

TEST_CASE("a rank knows its peers, and refuses what cannot be") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    // Catch's assertions belong into the test's own thread; the ranks only collect.
    using Kind = Outcome::Kind;
    std::vector<std::set<std::string>> seen(3);
    std::vector<std::vector<Kind>> refused(3);
    const auto outcomes = run_ranks(job_options(3, way), [&](Transport& transport) {
        const auto me = static_cast<std::size_t>(transport.rank());
        for (Rank rank = 0; rank < 3; ++rank) seen[me].insert(to_string(transport.peer(rank)));
        std::byte b{};
        const std::span<std::byte> one(&b, 1);
        refused[me].push_back(outcome_of([&] { transport.peer(3); }).kind);
        refused[me].push_back(outcome_of([&] { transport.post_send(transport.rank(), {}, one); }).kind);
        refused[me].push_back(outcome_of([&] { transport.post_receive(-1, {}, one); }).kind);
        refused[me].push_back(outcome_of([&] { transport.post_receive(3, {}, one); }).kind);
    });
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    for (const auto& kinds : refused) CHECK(kinds == std::vector<Kind>(4, Kind::usage));
    CHECK(contains(*seen[1].begin(), "rank 0 (host "));
    CHECK(contains(*seen[1].begin(), ", pid "));
    CHECK(seen[0].size() == 3);
    CHECK(seen[0] == seen[2]);
}

TEST_CASE("a closed transport takes no more posts") {
    const auto way = GENERATE(from_range(every_way()));
    CAPTURE(way);
    const auto outcomes = run_ranks(job_options(2, way), [&](Transport& transport) {
        transport.close();
        transport.close();
        std::byte b{};
        transport.post_send(1 - transport.rank(), {}, std::span(&b, 1));
    });
    for (const Outcome& outcome : outcomes) {
        CHECK(outcome.kind == Outcome::Kind::usage);
        CHECK(contains(outcome.text, "is closed"));
        CHECK(outcome.seconds < 2);
    }
}
