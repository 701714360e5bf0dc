// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <type_traits>
#include <utility>

#include "firecaffe/device/memory.hpp"

using firecaffe::Cpu;
using firecaffe::kAlignment;
using firecaffe::Memory;

static_assert(!std::is_copy_constructible_v<Memory<Cpu>>);
static_assert(std::is_nothrow_move_constructible_v<Memory<Cpu>>);

TEST_CASE("memory is aligned and zero, whatever was there before") {
    for (const std::size_t bytes : {1u, 63u, 64u, 65u, 4096u, 100001u}) {
        for (int again = 0; again < 3; ++again) {
            const Memory<Cpu> memory(bytes);
            REQUIRE(memory.bytes() == bytes);
            CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % kAlignment == 0);
            CHECK(std::all_of(memory.data(), memory.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
            std::fill_n(memory.data(), bytes, std::byte{0xff});
        }
    }
}

TEST_CASE("large memory is aligned and zero, too, at its edges and when it is used again") {
    constexpr std::size_t kBytes = (std::size_t{3} << 20) + 100;
    for (int again = 0; again < 3; ++again) {
        const Memory<Cpu> memory(kBytes);
        CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % kAlignment == 0);
        CHECK(std::all_of(memory.data(), memory.data() + kBytes, [](std::byte b) { return b == std::byte{0}; }));
        std::fill_n(memory.data(), kBytes, std::byte{0xff});
    }
}

TEST_CASE("memory that nobody touches is not taken from the system") {
    const auto resident_pages = [] {
        std::size_t size = 0, resident = 0;
        std::ifstream("/proc/self/statm") >> size >> resident;
        return resident;
    };
    const std::size_t before = resident_pages();
    const Memory<Cpu> memory(std::size_t{256} << 20);
    CHECK(resident_pages() < before + (std::size_t{64} << 20) / 4096);
}

TEST_CASE("no memory is an ordinary amount") {
    CHECK(Memory<Cpu>().data() == nullptr);
    const Memory<Cpu> none(0);
    CHECK(none.data() == nullptr);
    CHECK(none.bytes() == 0);
}

TEST_CASE("memory moves") {
    Memory<Cpu> first(10);
    std::byte* const data = first.data();
    Memory<Cpu> second(std::move(first));
    CHECK(second.data() == data);
    Memory<Cpu> third(20);
    third = std::move(second);
    CHECK(third.data() == data);
    CHECK(third.bytes() == 10);
}

TEST_CASE("more than there can be throws") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    WARN("SKIP: the sanitizer ends a program that asks for too much memory");
    return;
#endif
    CHECK_THROWS_AS(Memory<Cpu>(~std::size_t{0} / 2), std::bad_alloc);
}
