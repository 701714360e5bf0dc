// SPDX-License-Identifier: Apache-2.0
// The reducer nccl sums right, over the fake library.
#include "catch.hpp"
#include "comm/partials.hpp"
#include "fake_nccl.hpp"
#include "firecaffe/bench/allreduce.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"

using namespace firecaffe;
using comm::Transport;

namespace {

// What went wrong, by rank.
template <class T>
std::vector<std::string> sum_all(int ranks, int shards, const std::vector<std::size_t>& counts) {
    return run_ranks(ranks, 60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = make_fake_nccl(std::move(transport), shards);
        std::vector<std::vector<std::vector<T>>> slots;
        for (const std::size_t count : counts)
            slots.push_back(make_slots(whole_numbers<T>(shards, count), rank, ranks));
        std::vector<Ticket> tickets;
        for (std::size_t i = 0; i < counts.size(); ++i) {  // all are under way at once
            const DType dtype = sizeof(T) == 8 ? DType::float64 : DType::float32;
            tickets.push_back(reducer->submit({.bucket = static_cast<std::uint32_t>(i),
                                               .dtype = dtype,
                                               .count = counts[i],
                                               .partials = pointers(slots[i])}));
        }
        for (std::size_t i = 0; i < counts.size(); ++i) {
            reducer->wait(tickets[i]);
            if (!same_bits(slots[i][0], comm::canonical_sum(whole_numbers<T>(shards, counts[i]))))
                throw InternalError("the sum of ", counts[i], " elements is wrong");
        }
        reducer->close();
    });
}

template <class T>
void check_sums(int ranks, int shards, const std::vector<std::size_t>& counts) {
    INFO(ranks << " ranks, " << shards << " shards");
    for (const std::string& error : sum_all<T>(ranks, shards, counts)) CHECK(error == "");
}

}  // namespace

TEST_CASE("nccl: the sum of all partial sums, also of ranks with several or none") {
    for (const int ranks : {1, 2, 3, 4, 5}) {
        for (const int shards : {1, 3, 8, 13}) check_sums<float>(ranks, shards, {0, 1, 7, 1003});
        check_sums<double>(ranks, ranks, {1003, 0, 1});
        check_sums<float>(ranks, ranks, {1'000'000});
        check_sums<double>(ranks, ranks, {1'000'000});
    }
}

TEST_CASE("nccl: several groups of one process do not meet") {
    std::vector<std::string> errors;
    std::thread other([&] { errors = sum_all<float>(3, 3, {1003, 17}); });
    check_sums<float>(2, 2, {1003, 1003, 5});
    other.join();
    for (const std::string& error : errors) CHECK(error == "");
}

TEST_CASE("nccl: a library that is slow for a while is waited for") {
    const PlannedFaults faults("slow:rank=1:call=0:seconds=0.2,slow:rank=0:call=2:seconds=0.2");
    check_sums<float>(2, 2, {1003, 1003, 5});
}

TEST_CASE("nccl: the bench counts what is wrong") {
    ::setenv("FIRECAFFE_NCCL_LIBRARY", FAKE_NCCL_LIBRARY, 1);
    AllreduceOptions options;
    options.reducers = {"nccl"};
    options.counts = {1024};
    options.iterations = 2;
    options.warm_up = 1;
    for (const bool corrupt : {false, true}) {
        const PlannedFaults faults(corrupt ? "corrupt:rank=1:element=700" : "");
        std::uint64_t wrong = 0;
        const auto errors = run_ranks(2, 60, [&](int rank, std::shared_ptr<Transport> transport) {
            const AllreduceReport report = bench_allreduce(ReducerRegistry(), options, std::move(transport));
            if (rank == 0) wrong = report.wrong();
        });
        for (const std::string& error : errors) CHECK(error == "");
        CHECK((wrong > 0) == corrupt);
    }
    ::unsetenv("FIRECAFFE_NCCL_LIBRARY");
}
