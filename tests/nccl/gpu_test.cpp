// SPDX-License-Identifier: Apache-2.0
// NVIDIA's own NCCL on the memory of a GPU, with a single rank: what comes before NCCL's part and after it. Several
// ranks need several GPUs or processes: scripts/gpu-check.sh.
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "comm/nccl/group.hpp"
#include "fake_nccl.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;

namespace {

/// NVIDIA's, or a line that says that it is skipped.
std::optional<comm::NcclLibrary> nvidias() {
    if (!testing::has_gpu()) return std::nullopt;
    ::unsetenv("FAKE_NCCL_FAULTS");
    try {
        return comm::load_nccl(nccl_library());
    } catch (const ConfigError& error) {
        std::cout << "SKIP: " << error.what() << '\n';
        return std::nullopt;
    }
}

void wait(comm::NcclGroup& group) {
    REQUIRE(group.wait(std::chrono::seconds(60)));
}

Memory<Cuda> on_gpu(const std::vector<float>& values) {
    Memory<Cuda> memory(values.size() * sizeof(float));
    copy_bytes(values.data(), Cpu{}, memory.data(), Cuda{}, memory.bytes());
    wait_for_current_stream();
    return memory;
}

std::vector<float> on_host(const Memory<Cuda>& memory) {
    std::vector<float> values(memory.bytes() / sizeof(float));
    copy_bytes(memory.data(), Cuda{}, values.data(), Cpu{}, memory.bytes());
    wait_for_current_stream();
    return values;
}

}  // namespace

TEST_CASE("nccl: a GPU adds up a rank's partial sums behind the event that says they are complete", "[cuda]") {
    auto library = nvidias();
    if (!library) return;
    comm::NcclGroup group(std::move(*library), current_cuda_device());
    group.begin_id();
    wait(group);
    group.begin_joining(group.id(), 0, 1);
    wait(group);
    constexpr std::size_t kCount = 1'000'003;
    const std::vector<float> one(kCount, 1.0F), two(kCount, 2.0F), four(kCount, 4.0F), junk(kCount, 99.0F);
    const Memory<Cuda> sum = on_gpu(junk), second = on_gpu(two), third = on_gpu(four), source = on_gpu(one);

    const Stream stream;
    Event ready;
    for (int times = 0; times < 3; ++times) {
        {
            const StreamScope scope(stream);  // a queue that is long enough to be overtaken by who does not wait
            for (int i = 0; i < 200; ++i) copy_bytes(third.data(), Cuda{}, sum.data(), Cuda{}, sum.bytes());
            copy_bytes(source.data(), Cuda{}, sum.data(), Cuda{}, sum.bytes());
            ready.record();
        }
        group.begin_sum(
            {.values = sum.data(), .count = kCount, .others = {second.data(), third.data()}, .ready = &ready});
        wait(group);
        CHECK(ready.reached());
        CHECK(on_host(sum) == std::vector<float>(kCount, 7.0F));
    }
    group.begin_sum({.values = sum.data(), .count = kCount, .zeros = true});
    wait(group);
    CHECK(on_host(sum) == std::vector<float>(kCount, 0.0F));
    group.begin_sum({.values = sum.data(), .count = 0});
    wait(group);
    group.begin_leaving();
    wait(group);
    CHECK(group.abort(std::chrono::seconds(10)));
}

TEST_CASE("nccl: a group on a GPU can be given up at any point", "[cuda]") {
    for (const int calls : {0, 1, 2, 3}) {
        CAPTURE(calls);
        auto library = nvidias();
        if (!library) return;
        const Memory<Cuda> memory(std::size_t{1} << 26);
        comm::NcclGroup group(std::move(*library), current_cuda_device());
        group.begin_id();
        wait(group);
        if (calls > 0) group.begin_joining(group.id(), 0, 1);
        if (calls > 1) wait(group);
        if (calls > 1) group.begin_sum({.values = memory.data(), .count = memory.bytes() / sizeof(float)});
        if (calls > 2) wait(group);
        CHECK(group.abort(std::chrono::seconds(30)));
    }
}

TEST_CASE("nccl: the reducer on a GPU", "[cuda]") {
    const auto library = nvidias();
    if (!library) return;
    const auto one = comm::make_thread_transports(1);
    const auto reducer = firecaffe::make_nccl_reducer(one[0], 1, {.on_gpu = true});
    CHECK(reducer->on_gpu());
    CHECK_FALSE(reducer->canonical());
    Memory<Cuda> memory;
    std::thread([&] { memory = reducer->allocate_on_gpu(4096 * sizeof(float)); }).join();  // from any thread
    const std::vector<float> values(4096, 2.5F);
    copy_bytes(values.data(), Cpu{}, memory.data(), Cuda{}, memory.bytes());
    Event ready;
    ready.record();
    std::byte* const data = memory.data();
    std::vector<Ticket> tickets;
    for (std::uint32_t bucket = 0; bucket < 5; ++bucket)
        tickets.push_back(reducer->submit({.bucket = bucket, .count = 4096, .partials = {&data, 1}, .ready = &ready}));
    for (const Ticket ticket : tickets) reducer->wait(ticket);
    CHECK(on_host(memory) == values);
    reducer->close();
    CHECK(reducer->statistics().requests == 5);
}
