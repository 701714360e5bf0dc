// SPDX-License-Identifier: Apache-2.0
// Replaces the global operator new of the test program by one that counts. Apart from the tests, or else the compiler
// sees that new is malloc and warns.
#include "allocation_count.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> count{0};
}

long allocation_count() {
    return count;
}

void* operator new(std::size_t bytes) {
    ++count;
    if (void* p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
    throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    ++count;
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
