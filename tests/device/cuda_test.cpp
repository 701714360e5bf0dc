// SPDX-License-Identifier: Apache-2.0
// GPUs, and their absence: what holds in every build and on every machine, and what needs a GPU.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/add.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/device/graph.hpp"
#include "firecaffe/device/stream.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;

static_assert(!std::is_copy_constructible_v<Stream> && std::is_nothrow_move_constructible_v<Stream>);
static_assert(!std::is_copy_constructible_v<Event> && std::is_nothrow_move_constructible_v<Event>);
static_assert(!std::is_copy_constructible_v<StreamScope>);

namespace {

/// The DeviceError that `call` throws.
template <class Call>
std::string refusal(const Call& call) {
    try {
        call();
    } catch (const DeviceError& e) {
        CHECK(e.status() == ExitStatus::device);
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace

TEST_CASE("there are GPUs, or there is a reason with a cure") {
    const CudaDevices devices = cuda_devices();
    CHECK((devices.count() == 0) == !devices.reason.empty());
    if (devices.count() == 0) CHECK(devices.reason.find("device cpu") != std::string::npos);
    for (const std::string& name : devices.names) CHECK(!name.empty());
}

TEST_CASE("whoever asks for a GPU where there is none is told why") {
    const CudaDevices devices = cuda_devices();
    if (devices.count() > 0) return;  // cases with the tag [cuda] show what is then
    std::byte host{};
    for (const std::string& said :
         {refusal([] { Stream stream; }), refusal([] { Event event; }), refusal([] { Memory<Cuda> memory(16); }),
          refusal([] { use_cuda_device(0); }), refusal([] { wait_for_current_stream(); }),
          refusal([&] { copy_bytes(&host, Cpu{}, &host, Cuda{}, 1); }),
          refusal([&] { copy_bytes(&host, Cuda{}, &host, Cpu{}, 1); }),
          refusal([&] { copy_bytes(&host, Cuda{}, &host, Cuda{}, 1); }),
          refusal([] { const CudaDeviceScope scope(0); }), refusal([&] { clear_bytes(&host, Cuda{}, 1); }),
          refusal([&] { queue_add(&host, &host, 1, DType::float32, Cuda{}); })}) {
        INFO(said);
        CHECK(said.find(devices.reason) != std::string::npos);
    }
}

TEST_CASE("no memory of a GPU is an ordinary amount") {
    Memory<Cuda> none(0);
    CHECK(none.data() == nullptr);
    const Memory<Cuda> moved(std::move(none));
    CHECK(moved.bytes() == 0);
}

TEST_CASE("pinned memory is zero, and writable, with a GPU and without") {
    for (const std::size_t bytes : {0u, 1u, 100000u}) {
        Memory<Cpu> memory = pinned_memory(bytes);
        REQUIRE(memory.bytes() == bytes);
        CHECK(std::all_of(memory.data(), memory.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
        std::fill_n(memory.data(), bytes, std::byte{1});
        const Memory<Cpu> moved = std::move(memory);
        CHECK((bytes == 0 || moved.data()[bytes - 1] == std::byte{1}));
    }
}

TEST_CASE("copies within the host need no GPU") {
    const std::vector<int> from{1, 2, 3};
    std::vector<int> to(3);
    copy_bytes(from.data(), Cpu{}, to.data(), Cpu{}, 12);
    CHECK(to == from);
    copy_bytes(nullptr, Cpu{}, nullptr, Cpu{}, 0);
}

TEST_CASE("the current stream is a thread's own; scopes nest") {
    int a = 0, b = 0;
    CHECK(current_stream() == nullptr);
    {
        const StreamScope outer(&a);
        CHECK(current_stream() == &a);
        {
            const StreamScope inner(&b);
            CHECK(current_stream() == &b);
            const StreamScope none(nullptr);
            CHECK(current_stream() == nullptr);
        }
        CHECK(current_stream() == &a);
        void* seen = &a;
        std::thread([&] { seen = current_stream(); }).join();
        CHECK(seen == nullptr);
    }
    CHECK(current_stream() == nullptr);
}

TEST_CASE("memory of a GPU is zero, and copies go there and back on a stream", "[cuda]") {
    if (!testing::has_gpu()) return;
    constexpr std::size_t kBytes = std::size_t{1} << 20;
    const Stream stream;
    const StreamScope scope(stream);
    const Memory<Cuda> first(kBytes), second(kBytes);
    const Memory<Cpu> from = pinned_memory(kBytes), to = pinned_memory(kBytes);
    std::fill_n(to.data(), kBytes, std::byte{9});
    copy_bytes(first.data(), Cuda{}, to.data(), Cpu{}, kBytes);
    stream.wait();
    CHECK(std::all_of(to.data(), to.data() + kBytes, [](std::byte b) { return b == std::byte{0}; }));

    for (std::size_t i = 0; i < kBytes; ++i) from.data()[i] = static_cast<std::byte>(i * 7);
    copy_bytes(from.data(), Cpu{}, first.data(), Cuda{}, kBytes);
    copy_bytes(first.data(), Cuda{}, second.data(), Cuda{}, kBytes);
    copy_bytes(second.data(), Cuda{}, to.data(), Cpu{}, kBytes);
    stream.wait();
    CHECK(std::memcmp(from.data(), to.data(), kBytes) == 0);

    clear_bytes(second.data(), Cuda{}, kBytes / 2);
    copy_bytes(second.data(), Cuda{}, to.data(), Cpu{}, kBytes);
    stream.wait();
    CHECK(std::all_of(to.data(), to.data() + kBytes / 2, [](std::byte b) { return b == std::byte{0}; }));
    CHECK(std::memcmp(from.data() + kBytes / 2, to.data() + kBytes / 2, kBytes / 2) == 0);
}

namespace {

/// Adds `count` numbers on the GPU to others and compares with the host's addition, bit by bit.
template <class T>
void check_addition(std::size_t count) {
    INFO(count << " elements of " << sizeof(T) << " bytes");
    const std::size_t bytes = count * sizeof(T);
    std::vector<T> a(count), b(count), sum(count), expected(count);
    for (std::size_t i = 0; i < count; ++i) {
        a[i] = T(1) / static_cast<T>(i % 1009 + 1);
        b[i] = static_cast<T>(i % 31) * T(0.1) - T(1);
        expected[i] = a[i] + b[i];
    }
    const Stream stream;
    const StreamScope scope(stream);
    const Memory<Cuda> to(bytes), from(bytes);
    copy_bytes(a.data(), Cpu{}, to.data(), Cuda{}, bytes);
    copy_bytes(b.data(), Cpu{}, from.data(), Cuda{}, bytes);
    queue_add(to.data(), from.data(), count, dtype_of<T>, Cuda{});
    copy_bytes(to.data(), Cuda{}, sum.data(), Cpu{}, bytes);
    stream.wait();
    CHECK(std::memcmp(sum.data(), expected.data(), bytes) == 0);
}

}  // namespace

TEST_CASE("additions on a GPU have the bits of the host's", "[cuda]") {
    if (!testing::has_gpu()) return;
    for (const std::size_t count : {1u, 255u, 4099u, 5000003u}) {
        check_addition<float>(count);
        check_addition<double>(count);
    }
    queue_add(nullptr, nullptr, 0, DType::float32, Cuda{});
    CHECK_THROWS_AS(queue_add(nullptr, nullptr, 0, DType::int32, Cuda{}), UsageError);
}

TEST_CASE("an event orders two streams, and knows the time", "[cuda]") {
    if (!testing::has_gpu()) return;
    constexpr std::size_t kBytes = std::size_t{64} << 20;
    const Stream first(Stream::Priority::high);
    Stream second;
    const Memory<Cuda> memory(kBytes);
    const Memory<Cpu> from = pinned_memory(kBytes), to = pinned_memory(kBytes);
    std::fill_n(from.data(), kBytes, std::byte{5});
    Event begin(true), end(true), written;
    CHECK(written.reached());
    {
        const StreamScope scope(first);
        begin.record();
        copy_bytes(from.data(), Cpu{}, memory.data(), Cuda{}, kBytes);
        written.record();
        end.record(first);
    }
    second.after(written);
    {
        const StreamScope scope(second);
        copy_bytes(memory.data(), Cuda{}, to.data(), Cpu{}, kBytes);
        wait_for_current_stream();
    }
    CHECK(std::memcmp(from.data(), to.data(), kBytes) == 0);
    end.wait();
    CHECK((begin.reached() && written.reached()));
    CHECK(end.milliseconds_since(begin) > 0.0);
}

TEST_CASE("more memory than a GPU has is refused with both numbers", "[cuda]") {
    if (!testing::has_gpu()) return;
    const std::string said = refusal([] { Memory<Cuda> memory(std::size_t{1} << 50); });
    INFO(said);
    CHECK(said.find("1125899906842624 bytes") != std::string::npos);
    CHECK(said.find("are free") != std::string::npos);
    const Memory<Cuda> next(16);  // the refusal is over
}

TEST_CASE("a GPU that is not there is refused", "[cuda]") {
    if (!testing::has_gpu()) return;
    const int before = current_cuda_device();
    CHECK(refusal([] { use_cuda_device(cuda_devices().count()); }).find("nvidia-smi") != std::string::npos);
    CHECK(current_cuda_device() == before);
    CHECK(refusal([] { const CudaDeviceScope scope(cuda_devices().count()); }).find("nvidia-smi") != std::string::npos);
    {
        const CudaDeviceScope scope(cuda_devices().count() - 1);
        CHECK(current_cuda_device() == cuda_devices().count() - 1);
    }
    CHECK(current_cuda_device() == before);
}

TEST_CASE("recorded work runs when it is queued, with the arguments of the last time", "[cuda]") {
    if (!testing::has_gpu()) return;
    const Stream stream;
    const StreamScope scope(stream);
    const Memory<Cpu> host = pinned_memory(64);
    Memory<Cuda> from(64), to(64);
    std::memset(host.data(), 7, 64);
    copy_bytes(host.data(), Cpu{}, from.data(), Cuda{}, 64);
    WorkGraph graph;
    constexpr std::size_t kBytes[] = {16, 48};
    for (const std::size_t bytes : kBytes) {
        graph.run([&] { copy_bytes(from.data(), Cuda{}, to.data(), Cuda{}, bytes); });
        std::memset(host.data(), 0, 64);
        copy_bytes(to.data(), Cuda{}, host.data(), Cpu{}, 64);
        wait_for_current_stream();
        CHECK(std::count(host.data(), host.data() + 64, std::byte{7}) == static_cast<std::ptrdiff_t>(bytes));
    }
    // Other work than before, and an exception in the middle: then nothing is queued.
    graph.run([&] { clear_bytes(to.data(), Cuda{}, 64); });
    CHECK_THROWS_AS(graph.run([&] {
        copy_bytes(from.data(), Cuda{}, to.data(), Cuda{}, 64);
        throw UsageError("given up");
    }),
                    UsageError);
    copy_bytes(to.data(), Cuda{}, host.data(), Cpu{}, 64);
    wait_for_current_stream();
    CHECK(std::count(host.data(), host.data() + 64, std::byte{0}) == 64);
}

TEST_CASE("work cannot be recorded on the default stream", "[cuda]") {
    if (!testing::has_gpu()) return;
    CHECK_THROWS_AS(WorkGraph().run([] {}), UsageError);
}
