// SPDX-License-Identifier: Apache-2.0
// What only ranks that share memory have: buffers that need no copy, loans, and frames that a broken peer has written.
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "ranks.hpp"

#include "comm/rendezvous/local_door.hpp"
#include "comm/transport/mesh.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;
using Kind = Outcome::Kind;

namespace {

constexpr auto kShared = TransportKind::shared_memory;

std::span<std::byte> span_of(const Memory<Cpu>& memory) {
    return {memory.data(), memory.bytes()};
}

bool all_good(const std::vector<Outcome>& outcomes) {
    bool good = true;
    for (const Outcome& outcome : outcomes) {
        UNSCOPED_INFO(outcome.text);
        good = good && outcome.kind == Kind::good;
    }
    return good;
}

// Fills memory of the transport with the pattern of `seed`.
Memory<Cpu> memory_with_pattern(Transport& transport, std::size_t bytes, std::uint32_t seed) {
    Memory<Cpu> memory = transport.allocate(bytes);
    const auto source = pattern(bytes, seed);
    std::memcpy(memory.data(), source.data(), bytes);
    return memory;
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

double processor_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

TEST_CASE("memory of the transport is sent from any place and of any length") {
    std::vector<int> wrong(3);
    const auto outcomes = run_ranks(job_options(3, kShared), [&](Transport& transport) {
        const auto me = static_cast<std::size_t>(transport.rank());
        constexpr std::size_t kBytes = 3'000'000;
        const Memory<Cpu> out = memory_with_pattern(transport, kBytes, static_cast<std::uint32_t>(me));
        const Memory<Cpu> in = transport.allocate(kBytes);
        std::uint64_t sequence = 0;
        for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{40'001}, kBytes - 5})
            for (const std::size_t first : {0u, 1u, 5u}) {
                const OperationTag tag{++sequence, 3, 615};
                const Rank up = (transport.rank() + 1) % 3, down = (transport.rank() + 2) % 3;
                const auto receive = transport.post_receive(down, tag, span_of(in).subspan(0, length));
                transport.wait(*transport.post_send(up, tag, span_of(out).subspan(first, length)));
                transport.wait(*receive);
                const auto expected = pattern(kBytes, static_cast<std::uint32_t>(down));
                if (length > 0 && std::memcmp(in.data(), expected.data() + first, length) != 0) ++wrong[me];
            }
    });
    CHECK(all_good(outcomes));
    CHECK(wrong == std::vector<int>(3));
}

TEST_CASE("what lies in the transport's memory is lent, not copied, and the send lasts as long as the loan") {
    bool intact = false, same_memory = false;
    double waited = 0;
    const auto outcomes = run_ranks(job_options(2, kShared), [&](Transport& transport) {
        constexpr std::size_t kLength = 1'000'000;
        std::byte word{};
        const std::span one(&word, 1);
        if (transport.rank() == 0) {
            const Memory<Cpu> memory = memory_with_pattern(transport, kLength, 7);
            const auto send = transport.post_send(1, {1, 0, 0}, span_of(memory));
            transport.wait(*transport.post_receive(1, {2, 0, 0}, one));  // rank 1 has the loan
            memory.data()[10] = std::byte{0xee};                         // forbidden, but it shows where rank 1 reads
            const auto word_sent = transport.post_send(1, {3, 0, 0}, one);
            const auto start = std::chrono::steady_clock::now();
            transport.wait(*send);
            transport.wait(*word_sent);
            waited = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        } else {
            std::vector<std::byte> buffer(kLength);
            auto loan = transport.post_borrow(0, {1, 0, 0}, buffer);
            transport.wait(*loan);
            const std::byte* bytes = loan->borrowed();
            const auto expected = pattern(kLength, 7);
            intact = bytes != nullptr && std::memcmp(bytes, expected.data(), kLength) == 0;
            transport.wait(*transport.post_send(0, {2, 0, 0}, one));
            transport.wait(*transport.post_receive(0, {3, 0, 0}, one));
            same_memory = bytes != nullptr && bytes[10] == std::byte{0xee};
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            loan.reset();
        }
    });
    CHECK(all_good(outcomes));
    CHECK(intact);
    CHECK(same_memory);
    CHECK(waited > 0.15);
}

TEST_CASE("several loans are held at once and given back in any order") {
    int wrong = 0;
    const auto outcomes = run_ranks(job_options(2, kShared), [&](Transport& transport) {
        constexpr std::size_t kLength = 50'000, kAtOnce = 5;
        for (std::uint64_t round = 0; round < 40; ++round) {
            std::vector<std::unique_ptr<Transfer>> transfers;
            std::vector<std::vector<std::byte>> buffers;
            for (std::uint64_t i = 0; i < kAtOnce; ++i) {
                const OperationTag tag{round * kAtOnce + i, 0, 0};
                const auto seed = static_cast<std::uint32_t>(tag.sequence);
                buffers.push_back(transport.rank() == 0 ? pattern(kLength, seed) : std::vector<std::byte>(kLength));
                transfers.push_back(transport.rank() == 0 ? transport.post_send(1, tag, buffers.back())
                                                          : transport.post_borrow(0, tag, buffers.back()));
            }
            for (std::uint64_t i = 0; i < kAtOnce; ++i) {
                transport.wait(*transfers[i]);
                if (transport.rank() == 0) continue;
                const auto expected = pattern(kLength, static_cast<std::uint32_t>(round * kAtOnce + i));
                const std::byte* bytes = transfers[i]->borrowed();
                if (bytes == nullptr || std::memcmp(bytes, expected.data(), kLength) != 0) ++wrong;
            }
            if (round % 2 == 0)
                while (!transfers.empty()) transfers.pop_back();
        }
    });
    CHECK(all_good(outcomes));
    CHECK(wrong == 0);
}

TEST_CASE("memory that is freed leaves the peers too, and nothing stays behind") {
    const auto mappings = [] {
        std::ifstream file("/proc/self/maps");
        std::size_t count = 0;
        for (std::string line; std::getline(file, line);) count += contains(line, "memfd:firecaffe") ? 1 : 0;
        return count;
    };
    const std::size_t descriptors_before = open_descriptors(), mappings_before = mappings();
    std::size_t most = 0;
    const auto outcomes = run_ranks(job_options(2, kShared), [&](Transport& transport) {
        for (std::uint64_t i = 0; i < 50; ++i) {
            const Memory<Cpu> memory = transport.allocate(100'000);
            const OperationTag tag{i, 0, 0};
            if (transport.rank() == 0)
                transport.wait(*transport.post_send(1, tag, span_of(memory)));
            else
                transport.wait(*transport.post_receive(0, tag, span_of(memory)));
            if (transport.rank() == 1) most = std::max(most, mappings());
        }
    });
    CHECK(all_good(outcomes));
    CHECK(most < 12);
    CHECK(mappings() == mappings_before);
    CHECK(open_descriptors() == descriptors_before);
}

TEST_CASE("some ranks share memory, the others use TCP") {
    auto all = job_options(4);
    all[2].transport = all[3].transport = TransportKind::tcp;
    std::vector<std::uint64_t> sent(4);
    std::vector<int> wrong(4);
    const auto outcomes = run_ranks(all, [&](Transport& transport) {
        const Rank me = transport.rank();
        std::vector<std::vector<std::byte>> in(4, std::vector<std::byte>(2'000'000)), out(4);
        std::vector<std::unique_ptr<Transfer>> transfers;
        for (Rank peer = 0; peer < 4; ++peer) {
            if (peer == me) continue;
            const auto i = static_cast<std::size_t>(peer);
            out[i] = pattern(2'000'000, static_cast<std::uint32_t>(me * 10 + peer));
            transfers.push_back(transport.post_receive(peer, {1, 0, 0}, in[i]));
            transfers.push_back(transport.post_send(peer, {1, 0, 0}, out[i]));
        }
        for (auto& transfer : transfers) transport.wait(*transfer);
        for (Rank peer = 0; peer < 4; ++peer)
            if (peer != me &&
                in[static_cast<std::size_t>(peer)] != pattern(2'000'000, static_cast<std::uint32_t>(peer * 10 + me)))
                ++wrong[static_cast<std::size_t>(me)];
        sent[static_cast<std::size_t>(me)] = transport.bytes_sent();
    });
    CHECK(all_good(outcomes));
    CHECK(wrong == std::vector<int>(4));
    // Eight frames for each peer, with headers of 64 bytes both in shared memory and over TCP.
    CHECK(sent == std::vector<std::uint64_t>(4, 6'000'000 + 8 * 3 * 64));
}

TEST_CASE("who demands shared memory and cannot have it is told so, as are the others") {
    auto all = job_options(3, kShared);
    all[2].transport = TransportKind::tcp;
    for (const Outcome& outcome : run_ranks(all, [](Transport&) {})) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == Kind::unavailable);
        CHECK(contains(outcome.text, "rank 2 (host "));
        CHECK(contains(outcome.text, "cannot share memory"));
        CHECK(contains(outcome.text, "use the transport auto, or tcp"));
    }
}

TEST_CASE("a long wait leaves the core alone") {
    double spent = 0;
    const auto outcomes = run_ranks(job_options(2, kShared), [&](Transport& transport) {
        std::byte word{};
        if (transport.rank() == 0) {
            const double before = processor_seconds();
            transport.wait(*transport.post_receive(1, {1, 0, 0}, std::span(&word, 1)));
            spent = processor_seconds() - before;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1000));
            transport.wait(*transport.post_send(0, {1, 0, 0}, std::span(&word, 1)));
        }
    });
    CHECK(all_good(outcomes));
    CHECK(spent < 0.3);
}

TEST_CASE("ranks in different operations are told which, on either end") {
    struct Difference {
        OperationTag sent;
        std::size_t length;
        const char* words;
    };
    const OperationTag expected{1842, 3, 615, DType::float32, 250};
    for (const Difference& difference :
         {Difference{{1843, 3, 615, DType::float32, 250}, 1000, "all-reduce #1843"},
          Difference{{1842, 4, 615, DType::float32, 250}, 1000, "bucket 4"},
          Difference{expected, 999, "it sent 999 bytes"}, Difference{expected, 0, "it sent 0 bytes"},
          Difference{{1842, 3, 615, DType::float64, 125}, 1000, "125 elements of float64"}}) {
        CAPTURE(difference.words);
        const auto outcomes = run_ranks(job_options(2, kShared), [&](Transport& transport) {
            std::vector<std::byte> buffer(1000);
            if (transport.rank() == 0)
                transport.wait(*transport.post_send(1, difference.sent, std::span(buffer).first(difference.length)));
            transport.wait(*transport.post_receive(1 - transport.rank(), expected, buffer));
        });
        for (const Outcome& outcome : outcomes) {
            CAPTURE(outcome.text);
            CHECK(outcome.kind == Kind::peer_lost);
            CHECK(contains(outcome.text, "rank 0 (host "));
            CHECK(contains(outcome.text, "it is in another operation"));
            CHECK(contains(outcome.text, difference.words));
            CHECK(outcome.seconds < 3);
        }
    }
}

namespace {

struct Pair {
    UniqueFd a, b;
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        a.reset(ends[0]);
        b.reset(ends[1]);
    }
};

// What rank 0 says of a frame that the test has written where rank 1 writes its frames.
Outcome receive_frame(const SharedFrame& frame, std::size_t expected) {
    Pair local, control;
    SharedMemory memory = SharedMemory::create(sizeof(LinkMemory));
    SharedMemory again =
        SharedMemory::open(UniqueFd(::dup(memory.fd())), sizeof(LinkMemory), SharedMemory::Access::write);
    auto& lane = reinterpret_cast<LinkMemory*>(again.data())->lanes[1];
    lane.frames[0] = frame;
    lane.published = 1;
    Mesh mesh;
    mesh.rank = 0;
    mesh.peers = {{0, "left", 10}, {1, "right", 11}};
    mesh.data.resize(2);
    mesh.shared.resize(2);
    mesh.shared[1] = {std::move(local.a), std::move(memory)};
    mesh.control.resize(2);
    mesh.control[1] = Channel(std::move(control.a));
    mesh.deadline_seconds = 2;
    const auto transport = make_mesh_transport(std::move(mesh));
    return outcome_of([&] {
        std::vector<std::byte> buffer(expected);
        transport->wait(*transport->post_receive(1, {1, 0, 0}, buffer));
    });
}

}  // namespace

TEST_CASE("frames that no sound peer writes are refused") {
    SharedFrame good{};
    good.sequence = 1;
    good.dtype = static_cast<std::uint32_t>(OperationTag{}.dtype);
    good.bytes = good.length = 1000;
    const auto outcome = [&](auto change) {
        SharedFrame frame = good;
        change(frame);
        return receive_frame(frame, frame.length);
    };
    CHECK(outcome([](SharedFrame&) {}).kind == Kind::good);
    for (const Outcome& refused :
         {outcome([](SharedFrame& f) { f.region = 7; }), outcome([](SharedFrame& f) { f.bytes = 1001; }),
          outcome([](SharedFrame& f) { f.bytes = f.length = kSlotBytes + 1; }),
          outcome([](SharedFrame& f) { f.bytes = 0; })}) {
        CAPTURE(refused.text);
        CHECK(refused.kind == Kind::peer_lost);
        CHECK(contains(refused.text, "lost rank 1 (host right, pid 11): it sent a damaged frame"));
    }
}

TEST_CASE("memory that may be taken away is not mapped") {
    const UniqueFd loose(::memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::ftruncate(loose.get(), 8192) == 0);
    const auto open = [](int fd, std::size_t bytes) {
        return outcome_of([&] { SharedMemory::open(UniqueFd(::dup(fd)), bytes, SharedMemory::Access::read); });
    };
    CHECK(contains(open(loose.get(), 8192).text, "8192 sealed bytes"));
    const SharedMemory sealed = SharedMemory::create(8192);
    CHECK(open(sealed.fd(), 8192).kind == Kind::good);
    CHECK(open(sealed.fd(), 8193).kind == Kind::unavailable);
    CHECK(::ftruncate(sealed.fd(), 0) != 0);
}

TEST_CASE("a process of another user is not let in") {
    if (::geteuid() != 0) {
        std::puts("SKIP: only root can become another user");
        return;
    }
    const LocalDoor door = open_local_door(kShared);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(10);
        std::string why;
        if (::setuid(65534) != 0) ::_exit(1);
        const UniqueFd fd = connect_to(local_socket_address(door.name), Clock::now() + std::chrono::seconds(5), why);
        char end = 0;
        wait_for(fd.get(), POLLIN, Clock::now() + std::chrono::seconds(5));
        ::_exit(fd && ::read(fd.get(), &end, 1) <= 0 ? 0 : 1);
    }
    REQUIRE(wait_for(door.listener.get(), POLLIN, Clock::now() + std::chrono::seconds(5)));
    UniqueFd guest(::accept4(door.listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const Outcome outcome =
        outcome_of([&] { accept_memory(std::move(guest), Clock::now() + std::chrono::seconds(5)); });
    CHECK(outcome.kind == Kind::unavailable);
    CHECK(contains(outcome.text, "a process of user 65534"));
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
