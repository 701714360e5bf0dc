// SPDX-License-Identifier: Apache-2.0
// The reducer "mpi" over a group of threads that behaves as MPI does. tests/process/mpi.py runs the real one.
#include "catch.hpp"

#include <mutex>
#include <numeric>

#include "comm/partials.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/comm/transport/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "reducer/mpi.hpp"

using namespace firecaffe;
using comm::MpiGroup;
using comm::Transport;

namespace {

// Where the ranks of a group meet: the last to come adds up.
struct Meeting {
    std::mutex mutex;
    std::vector<std::byte*> values;
    std::vector<std::uint64_t> digests;
    std::size_t ranks = 1, complete = 0;  // sums so far
};

class ThreadGroup final : public MpiGroup {
  public:
    explicit ThreadGroup(Meeting& meeting) : meeting_(meeting) {}
    int size() const override { return static_cast<int>(meeting_.ranks); }

    void start_sum(std::byte* values, std::size_t count, DType dtype, std::uint64_t digest) override {
        const std::scoped_lock lock(meeting_.mutex);
        ++started_;
        meeting_.values.push_back(values);
        meeting_.digests.push_back(digest);
        if (meeting_.values.size() < meeting_.ranks) return;
        dtype == DType::float64 ? add<double>(count) : add<float>(count);
        differ_ = std::ranges::count(meeting_.digests, digest) != static_cast<std::ptrdiff_t>(meeting_.ranks);
        meeting_.values.clear();
        meeting_.digests.clear();
        ++meeting_.complete;
    }

    bool test() override {
        const std::scoped_lock lock(meeting_.mutex);
        if (differ_) throw PeerLostError("the ranks do not sum the same");
        return meeting_.complete >= started_;
    }
    void close() noexcept override {}

  private:
    template <class T>
    void add(std::size_t count) {
        std::vector<T> sums(count);
        const auto of = [&](std::byte* values) { return reinterpret_cast<T*>(values); };
        for (std::byte* values : meeting_.values)
            for (std::size_t i = 0; i < count; ++i) sums[i] += of(values)[i];
        for (std::byte* values : meeting_.values) std::copy(sums.begin(), sums.end(), of(values));
    }

    Meeting& meeting_;
    std::size_t started_ = 0;
    bool differ_ = false;
};

// A group of two that never completes a sum, or says that it cannot.
class BrokenGroup final : public MpiGroup {
  public:
    explicit BrokenGroup(bool throws = false) : throws_(throws) {}
    int size() const override { return 2; }
    void start_sum(std::byte*, std::size_t, DType, std::uint64_t) override { started_ = true; }
    bool test() override {
        if (started_ && throws_) throw PeerLostError("MPI_Testall: message truncated");
        return !started_;
    }
    void close() noexcept override {}

  private:
    bool throws_, started_ = false;
};

template <class T>
void check_sums(int ranks, int shards) {
    INFO(ranks << " ranks, " << shards << " shards");
    const std::size_t counts[] = {0, 1, 7, 1003};
    Meeting meeting;
    meeting.ranks = static_cast<std::size_t>(ranks);
    std::vector<std::vector<std::vector<T>>> results(meeting.ranks);
    const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer =
            make_group_reducer(std::move(transport), shards, {}, std::make_unique<ThreadGroup>(meeting));
        for (const std::size_t count : counts) {
            auto slots = make_slots(whole_numbers<T>(shards, count), rank, ranks);
            const DType dtype = sizeof(T) == 8 ? DType::float64 : DType::float32;
            reducer->wait(reducer->submit({.dtype = dtype, .count = count, .partials = pointers(slots)}));
            results[static_cast<std::size_t>(rank)].push_back(slots[0]);
        }
        reducer->close();
    });
    for (const std::string& error : errors) CHECK(error == "");
    for (const auto& one : results) {
        REQUIRE(one.size() == 4);
        for (std::size_t i = 0; i < 4; ++i)
            CHECK(same_bits(one[i], comm::canonical_sum(whole_numbers<T>(shards, counts[i]))));
    }
}

std::string failure(Reducer& reducer, std::uint32_t bucket) {
    float value = 1;
    auto* const data = reinterpret_cast<std::byte*>(&value);
    try {
        reducer.wait(reducer.submit({.bucket = bucket, .step = 7, .count = 1, .partials = {&data, 1}}));
    } catch (const PeerLostError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("mpi: the sum of all partial sums, also of ranks with several or none") {
    for (const int ranks : {2, 3, 5})
        for (const int shards : {1, 3, 5, 8, 13}) check_sums<float>(ranks, shards);
    check_sums<double>(3, 4);
}

TEST_CASE("mpi: what it says of itself") {
    const auto two = comm::make_thread_transports(2);
    const auto reducer = make_group_reducer(two[1], 6, {}, std::make_unique<BrokenGroup>());
    CHECK(reducer->name() == "mpi");
    CHECK(reducer->rank() == 1);
    CHECK(reducer->size() == 2);
    CHECK_FALSE(reducer->canonical());
    std::byte* const null = nullptr;
    CHECK_THROWS_AS(reducer->submit({.count = 0, .partials = {&null, 1}}), UsageError);  // it brings two
}

TEST_CASE("mpi: a sum that does not end is given up after stall_seconds") {
    const auto two = comm::make_thread_transports(2);
    const auto reducer = make_group_reducer(two[0], 2, {.stall_seconds = 0.05}, std::make_unique<BrokenGroup>());
    const std::string said = failure(*reducer, 3);
    CHECK(contains(said, "MPI did not complete bucket 3 of step 7 (all-reduce #1) within 0.05 s on rank 0"));
    CHECK(contains(said, "reducer.stall_seconds"));
}

TEST_CASE("mpi: a rank that gives up, or is gone, ends the waits of the others") {
    auto two = comm::make_thread_transports(2);
    const auto reducer = make_group_reducer(two[0], 2, {}, std::make_unique<BrokenGroup>());
    SECTION("gives up") {
        two[1]->abort("the disk is full");
        const std::string said = failure(*reducer, 3);
        CHECK(contains(said, "rank 1 "));
        CHECK(contains(said, "the disk is full"));
        CHECK(contains(said, "bucket 3 of step 7"));
    }
    SECTION("is gone") {
        two[1].reset();
        CHECK(contains(failure(*reducer, 3), "rank 1 "));
    }
}

TEST_CASE("mpi: an error of MPI names rank and bucket, and the other ranks hear of it") {
    const auto two = comm::make_thread_transports(2);
    const auto reducer = make_group_reducer(two[0], 2, {}, std::make_unique<BrokenGroup>(true));
    const auto other = make_group_reducer(two[1], 2, {}, std::make_unique<BrokenGroup>());
    CHECK(failure(*reducer, 3) ==
          "MPI_Testall: message truncated; noticed by rank 0 in bucket 3 of step 7 (all-reduce #1)");
    CHECK(contains(failure(*other, 3), "message truncated"));
}

TEST_CASE("mpi: ranks that sum different buckets are told") {
    Meeting meeting;
    meeting.ranks = 2;
    const auto errors = run_ranks(2, 60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_group_reducer(std::move(transport), 2, {}, std::make_unique<ThreadGroup>(meeting));
        const std::string said = failure(*reducer, static_cast<std::uint32_t>(rank));
        if (!said.empty()) throw PeerLostError(said);
    });
    CHECK((contains(errors[0], "do not sum the same") || contains(errors[1], "do not sum the same")));
}

TEST_CASE("mpi: what cannot be meant") {
    const auto three = comm::make_thread_transports(3);
    const auto make = [&](std::shared_ptr<Transport> transport, int shards, double stall) {
        return make_group_reducer(std::move(transport), shards, {.stall_seconds = stall},
                                  std::make_unique<BrokenGroup>());
    };
    CHECK_THROWS_AS(make(three[0], 3, 1), UnavailableError);
    CHECK_THROWS_WITH(make(three[0], 3, 1), Catch::Contains("3 workers, but 2 in MPI's communicator"));
    CHECK_THROWS_AS(make(nullptr, 3, 1), UsageError);
    const auto two = comm::make_thread_transports(2);
    CHECK_THROWS_AS(make(two[0], 0, 1), UsageError);
    CHECK_THROWS_AS(make(two[0], 2, 0), UsageError);
}

TEST_CASE("mpi: outside of mpirun the registry says what is lacking") {
    const auto two = comm::make_thread_transports(2);
    const auto make = [&] { return ReducerRegistry().make({.type = "mpi"}, two[0], 2); };
    CHECK_THROWS_AS(make(), ConfigError);
    CHECK_THROWS_WITH(make(), Catch::Contains("/reducer/type: 'mpi'") &&
                                  Catch::Contains(comm::mpi_version().empty() ? "FIRECAFFE_WITH_MPI=ON" : "mpirun"));
    CHECK(ReducerRegistry().make({.type = "mpi"}, nullptr, 2)->name() == "local");  // one worker needs no MPI
}

TEST_CASE("mpi: a transport over MPI cannot be slowed down") {
    for (const double rate : {1e6, -1.0}) {
        comm::JoinOptions options;
        options.bytes_per_second = rate;
        const std::string said = comm::mpi_version().empty()
                                     ? "FIRECAFFE_WITH_MPI=ON"
                                     : text("MPI's own connections cannot be slowed down here, but a link of ", rate);
        CHECK_THROWS_WITH(comm::join_mpi(options), Catch::Contains(said));
    }
}
