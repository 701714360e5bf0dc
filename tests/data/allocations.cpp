// SPDX-License-Identifier: Apache-2.0
// Counts what every thread of this program allocates. In a file of its own, so that the compiler cannot look into one
// of the two operators without the other.
#include <atomic>
#include <cstdlib>
#include <new>

#include "data/support.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

std::uint64_t firecaffe::testing::allocation_count() {
    return allocations;
}

void* operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
