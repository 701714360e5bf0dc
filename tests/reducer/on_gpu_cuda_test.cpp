// SPDX-License-Identifier: Apache-2.0
// Sums in the memory of a real GPU, by ranks that are threads; processes_test.cpp has processes.
#include <algorithm>

#include "catch.hpp"

#include "firecaffe/reducer/factory.hpp"
#include "reducer/gpu_cases.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using comm::canonical_sum;
using comm::Transport;

TEST_CASE("sums on GPUs: threads on a real GPU have the host's bits", "[cuda]") {
    if (!has_gpu()) return;
    check_all(nullptr, {2, 8}, {7, 10007});
    const auto words = check<float>({.ranks = 4, .shards = 4, .count = 3000001, .buckets = 4}, nullptr);
    for (const std::string& one : words) CHECK(one == "tree, in GPU memory shared with 3 ranks (CUDA IPC)");
}

TEST_CASE("sums on GPUs: the registry's reducers on a real GPU, codecs and narrow types too", "[cuda]") {
    if (!has_gpu()) return;
    std::vector<ReducerOptions> all{
        {.type = "auto"}, {.type = "tree"}, {.type = "ring", .wire = comm::WireType::float16}};
    for (ReducerOptions& options : all) {
        CAPTURE(options.type);
        options.on_gpu = true;
        const auto data = whole_numbers<float>(4, 5000);
        const auto errors = run_ranks(4, 60, [&](int rank, std::shared_ptr<Transport> transport) {
            const auto reducer = ReducerRegistry().make(options, std::move(transport), 4);
            check_sums(Gpu::real, *reducer, make_slots(data, rank, 4), canonical_sum(data), 3);
            reducer->close();
        });
        for (const std::string& error : errors) CHECK(error == "");
    }
    const auto alone = ReducerRegistry().make({.type = "auto", .on_gpu = true}, nullptr, 3);
    CHECK(alone->name() == "local");
    const auto data = make_shards<float>(3, 1000);
    check_sums(Gpu::real, *alone, make_slots(data, 0, 1), canonical_sum(data));
}

TEST_CASE("sums on GPUs: a sum begins when its event is reached", "[cuda]") {
    if (!has_gpu()) return;
    constexpr std::size_t kCount = std::size_t{4} << 20;
    const auto errors = run_ranks(2, 60, [&](int rank, std::shared_ptr<Transport> transport) {
        const auto reducer = ReducerRegistry().make({.type = "tree", .on_gpu = true}, std::move(transport), 2);
        const Memory<Cuda> arena = reducer->allocate_on_gpu(kCount * sizeof(float));
        const Memory<Cpu> host = pinned_memory(kCount * sizeof(float));
        auto* const values = reinterpret_cast<float*>(host.data());
        std::fill_n(values, kCount, static_cast<float>(rank + 1));
        const Stream stream;
        const StreamScope scope(stream);
        Event ready;
        std::byte* const pointer = arena.data();
        for (int times = 0; times < 20; ++times)  // so that it is not there at once
            copy_bytes(host.data(), Cpu{}, arena.data(), Cuda{}, kCount * sizeof(float));
        ready.record();
        reducer->wait(reducer->submit({.count = kCount, .partials = {&pointer, 1}, .ready = &ready}));
        copy_bytes(arena.data(), Cuda{}, host.data(), Cpu{}, kCount * sizeof(float));
        stream.wait();
        if (std::count(values, values + kCount, 3.0f) != static_cast<std::ptrdiff_t>(kCount))
            throw InternalError("rank ", rank, " has summed too early");
        reducer->close();
    });
    for (const std::string& error : errors) CHECK(error == "");
}

TEST_CASE("sums on GPUs: one worker adds behind its event, and waits for nothing", "[cuda]") {
    if (!has_gpu()) return;
    constexpr std::size_t kCount = std::size_t{4} << 20, kBytes = kCount * sizeof(float);
    const auto reducer = ReducerRegistry().make({.type = "auto", .on_gpu = true}, nullptr, 5);
    const auto data = make_shards<float>(5, kCount);
    const GpuSlots<float> slots(Gpu::real, *reducer, data);
    const Memory<Cuda> source(kBytes);
    put(Gpu::real, source.data(), data[0].data(), kBytes);
    const Memory<Cpu> host = pinned_memory(kBytes);
    const Stream computing, summing;
    Event ready;
    {
        const StreamScope scope(computing);
        clear_bytes(slots.of(0)[0], Cuda{}, kBytes);
        for (int times = 0; times < 100; ++times)  // so that it is not there at once
            copy_bytes(source.data(), Cuda{}, host.data(), Cpu{}, kBytes);
        copy_bytes(host.data(), Cpu{}, slots.of(0)[0], Cuda{}, kBytes);
        ready.record();
    }
    const StreamScope scope(summing);
    reducer->wait(reducer->submit({.count = kCount, .partials = slots.of(0), .ready = &ready}));
    CHECK_FALSE(ready.reached());
    CHECK(same_bits(slots.sum(0), canonical_sum(data)));
}

TEST_CASE("sums on GPUs: a lost rank is named on a real GPU", "[cuda]") {
    if (!has_gpu()) return;
    check_lost_rank(nullptr);
}
