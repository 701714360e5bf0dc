// SPDX-License-Identifier: Apache-2.0
// Whatever NCCL does, all ranks end in time and say why.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <initializer_list>
#include <mutex>
#include <ostream>

#include "catch.hpp"
#include "comm/nccl/group.hpp"
#include "fake_nccl.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using comm::Transport;

namespace {

constexpr int kRanks = 3;
// For a busy machine; what is measured is that there is an end.
constexpr double kSoon = 10;

/// Short ones, so that tests are; a transport has deadlines of its own.
ReducerOptions impatient() {
    return {.deadline_seconds = 0.3, .stall_seconds = 0.4};
}

using Values = std::array<float, 5>;

// Of sums that have failed. After an abort that hangs the library may still use them, so they are never freed.
void leave_to_nccl(std::unique_ptr<Values> values) {
    static std::mutex mutex;
    static auto& all = *new std::vector<std::unique_ptr<Values>>;
    const std::scoped_lock lock(mutex);
    all.push_back(std::move(values));
}

void sum(Reducer& reducer, std::uint32_t bucket) {
    auto values = std::make_unique<Values>();
    auto* const data = reinterpret_cast<std::byte*>(values->data());
    try {
        reducer.sum({.bucket = bucket, .step = 7, .count = values->size(), .partials = {&data, 1}});
    } catch (...) {
        leave_to_nccl(std::move(values));
        throw;
    }
}

struct Ends {
    std::vector<std::string> said;  // by rank; empty: no error
    double seconds = 0;             // until all had ended

    bool all_say(const std::string& words) const {
        return std::ranges::all_of(said, [&](const std::string& one) { return contains(one, words); });
    }
};

std::ostream& operator<<(std::ostream& out, const Ends& ends) {
    for (const std::string& one : ends.said) out << "| " << one << '\n';
    return out << ends.seconds << " s";
}

/// That the fake library has made and not freed.
int communicators() {
    static void* const library = ::dlopen(FAKE_NCCL_LIBRARY, RTLD_NOW);
    return reinterpret_cast<int (*)()>(::dlsym(library, "fake_nccl_handles"))();
}

/// Ranks that run `body`, with transports that have that much patience.
Ends run(double patience, const std::function<void(int rank, std::shared_ptr<Transport>)>& body) {
    const auto since = std::chrono::steady_clock::now();
    Ends ends;
    ends.said = run_ranks(kRanks, patience, body);
    ends.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    return ends;
}

/// All ranks have ended in time, and each has said all of this.
void check_ends(const Ends& ends, std::initializer_list<std::string> words) {
    INFO(ends);
    for (const std::string& one : words) {
        CAPTURE(one);
        CHECK(ends.all_say(one));
    }
    CHECK(ends.seconds < kSoon);
}

/// Two sums, of bucket 2 and of bucket 3, under these faults.
Ends two_sums(const std::string& script) {
    const PlannedFaults faults(script);
    return run(60, [](int, std::shared_ptr<Transport> transport) {
        const auto reducer = make_fake_nccl(std::move(transport), kRanks, impatient());
        sum(*reducer, 2);
        sum(*reducer, 3);
        reducer->close();
    });
}

}  // namespace

TEST_CASE("nccl: a communicator that is never made ends all ranks") {
    check_ends(two_sums("never:rank=1:call=0"),
               {"rank 0 (host ",
                "NCCL 2.14.0 did not connect the ranks before bucket 2 of step 7 (all-reduce #1) within 0.4 s",
                "NCCL_DEBUG=INFO", "raise reducer.stall_seconds"});
}

TEST_CASE("nccl: a sum that never completes ends all ranks") {
    for (const std::string rank : {"0", "1", "2"}) {
        const Ends ends = two_sums("never:call=2:rank=" + rank);
        check_ends(ends, {"rank 0 (host ",
                          "did not complete the sum of bucket 3 of step 7 (all-reduce #2) within 0.4 s, although all",
                          "raise reducer.stall_seconds"});
        CHECK_FALSE(contains(ends.said[0], "has not returned"));
    }
}

TEST_CASE("nccl: a library that is slow for too long ends all ranks") {
    check_ends(two_sums("slow:rank=2:call=2:seconds=30"), {"did not complete the sum of bucket 3 of step 7"});
}

TEST_CASE("nccl: an asynchronous error of one rank is what all ranks say") {
    const std::string tasks[] = {"connect the ranks before bucket 2 of step 7 (all-reduce #1)",
                                 "complete the sum of bucket 2 of step 7 (all-reduce #1)",
                                 "complete the sum of bucket 3 of step 7 (all-reduce #2)"};
    for (const std::size_t call : {0u, 1u, 2u}) {
        const std::string function = call == 0 ? "ncclCommInitRankConfig" : "ncclAllReduce";
        check_ends(two_sums(text("error:rank=1:call=", call)),
                   {"rank 1 (host ", "NCCL 2.14.0: " + function + ": a fault that was planned (this is the fake NCCL)",
                    "it was to " + tasks[call], "see what it says with NCCL_DEBUG=INFO"});
    }
}

TEST_CASE("nccl: an abort that hangs is left behind, and the message says what that means") {
    check_ends(two_sums("never:rank=1:call=2,hang"),
               {"did not complete the sum of bucket 3 of step 7", "a call into NCCL has not returned within 0.3 s",
                "end this process"});
}

TEST_CASE("nccl: a call that does not return is aborted from a second thread") {
    for (const std::string hang : {"", ",hang"}) {
        const Ends ends = two_sums("stuck:rank=0:call=2" + hang);
        check_ends(ends, {"did not complete the sum of bucket 3 of step 7"});
        CHECK(contains(ends.said[0], "has not returned") == !hang.empty());
    }
}

TEST_CASE("nccl: a communicator that is made after all have given up is ended by who has made it") {
    const int before = communicators();
    const Ends ends = two_sums("stuck:rank=0:call=0:seconds=3");
    check_ends(ends, {"did not connect the ranks before bucket 2 of step 7"});
    CHECK(contains(ends.said[0], "on rank 0 a call into NCCL has not returned within 0.3 s"));
    CHECK_FALSE(contains(ends.said[1], "has not returned"));
    std::this_thread::sleep_for(std::chrono::milliseconds(3500));  // by then it has been made
    for (int i = 0; i < 2000 && communicators() != before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(communicators() == before);
}

TEST_CASE("nccl: nobody asks about a communicator that is aborted") {
    const PlannedFaults faults("never:rank=1:call=2,late:rank=1:call=2:seconds=2.5");
    const Ends ends = run(60, [](int, std::shared_ptr<Transport> transport) {
        const auto reducer =
            make_fake_nccl(std::move(transport), kRanks, {.deadline_seconds = 10, .stall_seconds = 0.4});
        sum(*reducer, 2);
        sum(*reducer, 3);
    });
    INFO(ends);
    CHECK(ends.all_say("did not complete the sum of bucket 3 of step 7"));  // and the library has not ended the process
}

TEST_CASE("nccl: a group gives up within the time that it is given, whatever hangs") {
    for (const char* const script :
         {"stuck:call=1,hang", "never:call=1,late:call=1:seconds=30,hang", "stuck:call=0:seconds=30"}) {
        CAPTURE(script);
        const PlannedFaults faults(script);
        comm::NcclGroup group(comm::load_nccl(FAKE_NCCL_LIBRARY), comm::NcclGroup::kHostMemory);
        group.begin_id();
        REQUIRE(group.wait(std::chrono::seconds(60)));
        group.begin_joining(group.id(), 0, 1);
        float value = 1;  // a sum that never begins does not use it
        if (group.wait(std::chrono::milliseconds(300)))
            group.begin_sum({.values = reinterpret_cast<std::byte*>(&value), .count = 1});
        CHECK_FALSE(group.wait(std::chrono::milliseconds(100)));
        const auto since = std::chrono::steady_clock::now();
        CHECK_FALSE(group.abort(std::chrono::seconds(2)));
        const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
        CHECK(took > 1.9);
        CHECK(took < 2.9);
    }
}

TEST_CASE("nccl: a rank that gives up, or is gone, ends the waits of the others") {
    for (const bool gone : {false, true}) {
        const PlannedFaults faults("never:call=2");
        std::atomic<int> at_bucket_3 = 0;
        const Ends ends = run(60, [&](int rank, std::shared_ptr<Transport> transport) {
            const auto reducer = make_fake_nccl(transport, kRanks);  // with a patience of two minutes
            sum(*reducer, 2);
            for (++at_bucket_3; rank == 1 && at_bucket_3 < kRanks;) std::this_thread::yield();
            if (rank == 1 && gone) return;
            if (rank == 1) return reducer->abort("the disk is full");
            sum(*reducer, 3);
        });
        INFO(ends);
        for (const int rank : {0, 2}) {
            const std::string& said = ends.said[static_cast<std::size_t>(rank)];
            CHECK(contains(said, "rank 1 (host "));
            CHECK(contains(said, gone ? "went away" : "the disk is full"));
            CHECK(contains(said, "bucket 3 of step 7"));
        }
        CHECK(ends.seconds < kSoon);
    }
}

TEST_CASE("nccl: a rank that is late is named by the transport, and NCCL does not wait for it") {
    std::atomic<int> ended = 0;
    const Ends ends = run(0.5, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_fake_nccl(transport, kRanks);
        sum(*reducer, 2);
        while (rank == 1 && ended < kRanks - 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        try {
            sum(*reducer, 3);
        } catch (...) {
            ++ended;
            throw;
        }
    });
    check_ends(ends, {"rank 1 (host ", "no sign of it for 0.5 s"});
}

TEST_CASE("nccl: ranks that sum different buckets are told") {
    const Ends ends = run(60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_fake_nccl(transport, kRanks);
        sum(*reducer, rank == 1 ? 5 : 4);
    });
    check_ends(
        ends, {"bucket 4 of step 7", "bucket 5 of step 7", "all ranks must submit the same buckets in the same order"});
}

TEST_CASE("nccl: a reducer that goes away with requests under way ends them") {
    const PlannedFaults faults("never:call=1");
    const Ends ends = run(60, [&](int rank, std::shared_ptr<Transport> transport) {
        float value = 1;
        auto* const data = reinterpret_cast<std::byte*>(&value);
        const auto reducer = make_fake_nccl(transport, kRanks);
        const Ticket ticket = reducer->submit({.bucket = 2, .step = 7, .count = 1, .partials = {&data, 1}});
        if (rank != 2) reducer->wait(ticket);
    });
    INFO(ends);
    for (const std::size_t rank : {0u, 1u}) CHECK(contains(ends.said[rank], "went away with requests under way"));
    CHECK(ends.seconds < kSoon);
}

TEST_CASE("nccl: a communicator whose end does not come holds nobody up") {
    const PlannedFaults faults("hang");
    const Ends ends = run(60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_fake_nccl(transport, kRanks, impatient());
        sum(*reducer, 2);
        if (rank == 0) reducer->close();  // the others leave without
    });
    INFO(ends);
    CHECK(ends.said[0].empty());
    CHECK(ends.seconds < kSoon);
}

TEST_CASE("nccl: an end in order that never completes is given up within the deadline") {
    for (const std::string hang : {"", ",hang"}) {
        const PlannedFaults faults("never:call=2" + hang);
        std::mutex mutex;
        double slowest = 0;
        const Ends ends = run(60, [&](int, std::shared_ptr<Transport> transport) {
            const auto reducer = make_fake_nccl(transport, kRanks, {.deadline_seconds = 2});
            sum(*reducer, 2);
            const auto since = std::chrono::steady_clock::now();
            reducer->close();
            const std::scoped_lock lock(mutex);
            slowest =
                std::max(slowest, std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count());
        });
        INFO(ends);
        for (const std::string& said : ends.said) CHECK(said.empty());
        CHECK(slowest > 0.9);  // it has hoped for half of it
        CHECK(slowest < 4);
    }
}
