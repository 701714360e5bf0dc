// SPDX-License-Identifier: Apache-2.0
// Counts calls of operator new on this thread. The program that includes it must link allocation_counter.cpp, which
// replaces the global operators.
#pragma once

#include <cstdint>

namespace firecaffe::testing {

/// Calls of any operator new by this thread since the start, and those for at least kLargeAllocation bytes.
std::uint64_t allocations_of_this_thread();
std::uint64_t large_allocations_of_this_thread();
inline constexpr std::uint64_t kLargeAllocation = 1024;

class AllocationCounter {
  public:
    AllocationCounter() : start_(allocations_of_this_thread()), large_start_(large_allocations_of_this_thread()) {}
    std::uint64_t count() const { return allocations_of_this_thread() - start_; }
    std::uint64_t large() const { return large_allocations_of_this_thread() - large_start_; }

  private:
    std::uint64_t start_, large_start_;
};

}  // namespace firecaffe::testing
