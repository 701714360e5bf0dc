// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <chrono>
#include <numeric>

#include "firecaffe/core/error.hpp"
#include "ranks.hpp"
#include "support/wait_any.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

using Ints = std::vector<int>;
std::span<std::byte> bytes(Ints& v) {
    return std::as_writable_bytes(std::span(v));
}

double seconds_of(const std::function<void()>& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void receive(Transport& transport, Rank from, const OperationTag& tag, std::span<std::byte> into) {
    transport.wait(*transport.post_receive(from, tag, into));
}
void send(Transport& transport, Rank to, const OperationTag& tag, std::span<const std::byte> data) {
    transport.wait(*transport.post_send(to, tag, data));
}

}  // namespace

TEST_CASE("threads: transfers of one direction complete in order, whoever comes first") {
    for (const int late : {0, 1}) {
        const auto errors = run_ranks(2, 5, [&](int rank, std::shared_ptr<Transport> t) {
            if (rank == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
            std::vector<Ints> data(10, Ints(1000));
            std::vector<std::unique_ptr<Transfer>> transfers;
            for (int i = 0; i < 10; ++i) {
                Ints& one = data[static_cast<std::size_t>(i)];
                if (rank == 0) std::iota(one.begin(), one.end(), i);
                transfers.push_back(rank == 0 ? t->post_send(1, {}, bytes(one)) : t->post_receive(0, {}, bytes(one)));
            }
            transfers.push_back(rank == 0 ? t->post_send(1, {}, {}) : t->post_receive(0, {}, {}));
            for (auto& transfer : transfers) t->wait(*transfer);
            for (int i = 0; i < 10 && rank == 1; ++i) {
                if (data[static_cast<std::size_t>(i)][999] != 999 + i) throw InternalError("wrong data in ", i);
            }
            if (t->bytes_sent() != (rank == 0 ? 40000u : 0u)) throw InternalError("wrong count");
            t->close();
        });
        CHECK(errors == std::vector<std::string>{"", ""});
    }
}

TEST_CASE("threads: an operation of another tag or length is refused on both ends") {
    struct Case {
        OperationTag tag;
        std::size_t bytes;
        std::string expect;
    };
    const OperationTag base{.sequence = 7, .bucket = 3, .step = 12, .dtype = DType::float32, .count = 2};
    std::vector<Case> cases(4, {base, 8, ""});
    cases[0].tag.bucket = 4, cases[0].expect = "bucket 4 of step 12";
    cases[1].tag.sequence = 8, cases[1].expect = "all-reduce #8";
    cases[2].tag.dtype = DType::float64, cases[2].expect = "float64";
    cases[3].tag.count = 1, cases[3].bytes = 4, cases[3].expect = "4 of 4 bytes";
    for (const Case& one : cases) {
        const auto errors = run_ranks(3, 5, [&](int rank, std::shared_ptr<Transport> t) {
            std::vector<std::byte> data(8);
            if (rank == 0) receive(*t, 1, base, data);
            if (rank == 1) send(*t, 0, one.tag, std::span(data).first(one.bytes));
            if (rank == 2) receive(*t, 0, base, data);
        });
        for (const std::string& error : errors) {
            INFO(error);
            CHECK(contains(error, "rank 1 (host localhost, pid "));
            CHECK(contains(error, "rank 0 (host localhost, pid "));
            CHECK(contains(error, "bucket 3 of step 12 (all-reduce #7), 8 of 8 bytes of float32"));
            CHECK(contains(error, one.expect));
        }
    }
}

TEST_CASE("threads: a rank that goes away without close is lost for all at once") {
    const double seconds = seconds_of([] {
        const auto errors = run_ranks(4, 20, [](int rank, std::shared_ptr<Transport> t) {
            Ints data(4);
            if (rank == 2) throw TrainingError("the loss is NaN");
            receive(*t, (rank + 1) % 4, {.bucket = 5, .step = 6}, bytes(data));  // only rank 1 waits for rank 2 itself
        });
        CHECK(errors[2] == "the loss is NaN");
        for (const int rank : {0, 1, 3}) {
            const std::string& error = errors[static_cast<std::size_t>(rank)];
            CHECK(contains(error, "rank 2 (host localhost, pid "));
            CHECK(contains(error, "is lost"));
            CHECK(contains(error, "bucket 5 of step 6"));
        }
    });
    CHECK(seconds < 10);
}

TEST_CASE("threads: abort reaches every wait, also later ones") {
    const auto errors = run_ranks(3, 20, [](int rank, std::shared_ptr<Transport> t) {
        Ints data(4);
        if (rank == 0) {
            t->abort("the disk is full");
            t->abort("a second reason");
        }
        for (int i = 0; i < 2; ++i) {
            try {
                receive(*t, (rank + 1) % 3, {}, bytes(data));
            } catch (const PeerLostError&) {
                if (i == 1) throw;
            }
        }
    });
    for (const std::string& error : errors) CHECK(contains(error, "rank 0 (host localhost"));
    for (const std::string& error : errors) CHECK(contains(error, "gave up: the disk is full"));
}

TEST_CASE("threads: silence ends at the deadline and the silent rank is named, not the one in between") {
    const double seconds = seconds_of([] {
        const auto errors = run_ranks(3, 0.3, [](int rank, std::shared_ptr<Transport> t) {
            Ints data(4);
            if (rank < 2) receive(*t, rank + 1, {}, bytes(data));
            if (rank == 2) std::this_thread::sleep_for(std::chrono::milliseconds(800));
        });
        CHECK(contains(errors[0], "rank 2 (host localhost"));
        CHECK(contains(errors[0], "no sign of it for 0.3 s"));
        CHECK(contains(errors[1], "rank 2 (host localhost"));
    });
    CHECK(seconds < 5);
}

TEST_CASE("threads: a circle of waits is told apart from silence") {
    const auto errors = run_ranks(2, 0.3, [](int rank, std::shared_ptr<Transport> t) {
        Ints data(4);
        receive(*t, 1 - rank, {}, bytes(data));
    });
    for (const std::string& error : errors) CHECK(contains(error, "wait for each other"));
}

TEST_CASE("threads: who notes progress may take its time") {
    const auto errors = run_ranks(2, 0.3, [](int rank, std::shared_ptr<Transport> t) {
        Ints data(4);
        if (rank == 0) receive(*t, 1, {}, bytes(data));
        if (rank == 1) {
            for (int i = 0; i < 16; ++i, t->note_progress()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
            send(*t, 0, {}, bytes(data));
        }
        t->close();
    });
    CHECK(errors == std::vector<std::string>{"", ""});
}

TEST_CASE("threads: close waits for all, and a closed rank answers no more") {
    auto transports = make_thread_transports(2, {.deadline_seconds = 0.3});
    std::thread other([&] { transports[1]->close(); });
    std::vector<std::byte> data(4);
    std::string error;
    try {
        receive(*transports[0], 1, {}, data);
    } catch (const PeerLostError& e) {
        error = e.what();
    }
    CHECK(contains(error, "rank 1"));
    CHECK(contains(error, "closed"));
    other.join();
    transports[0]->close();

    auto alone = make_thread_transports(1);
    CHECK(seconds_of([&] { alone[0]->close(); }) < 1);
    auto pair = make_thread_transports(2, {.deadline_seconds = 0.1});
    CHECK(seconds_of([&] { pair[0]->close(); }) < 5);  // bounded, though the other never closes
}

TEST_CASE("threads: bad calls are refused") {
    CHECK_THROWS_AS(make_thread_transports(0), UsageError);
    CHECK_THROWS_AS(make_thread_transports(2, {.deadline_seconds = 0}), UsageError);
    auto transports = make_thread_transports(2);
    CHECK_THROWS_AS(transports[0]->post_send(0, {}, {}), UsageError);
    CHECK_THROWS_AS(transports[0]->post_receive(2, {}, {}), UsageError);
    CHECK_THROWS_AS(transports[0]->peer(-1), UsageError);
    CHECK(transports[1]->peer(0).rank == 0);
    // A transfer that is given up unwaited leaves nothing behind.
    { auto given_up = transports[0]->post_receive(1, {}, {}); }
    auto sent = transports[1]->post_send(0, {}, {});
    auto received = transports[0]->post_receive(1, {}, {});
    CHECK_NOTHROW(transports[0]->wait(*received));
    CHECK_NOTHROW(transports[1]->wait(*sent));
}

TEST_CASE("an operation is named in words for people") {
    CHECK(to_string(OperationTag{.sequence = 1842, .bucket = 3, .step = 615}) ==
          "bucket 3 of step 615 (all-reduce #1842)");
    CHECK(to_string(OperationTag{.sequence = 9, .bucket = kTestFiguresBucket}) ==
          "the exchange of test figures (all-reduce #9)");
    CHECK(to_string(OperationTag{.sequence = 1, .bucket = kResumeBucket}) ==
          "the comparison of checkpoints (all-reduce #1)");
}

TEST_CASE("threads: the first of several transfers, an interrupt, or the end of the group ends a wait") {
    const auto errors = run_ranks(3, 5, [&](int, std::shared_ptr<Transport> t) { testing::play_wait_any(*t); });
    for (const std::string& error : errors) CHECK(contains(error, "gave up: it has seen enough"));
}
