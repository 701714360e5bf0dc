// SPDX-License-Identifier: Apache-2.0
// Counts calls of operator new on this thread. The program that includes it must link allocation_counter.cpp, which
// replaces the global operators.
#pragma once

#include <cstdint>

namespace firecaffe::testing {

/// Calls of any operator new by this thread since the start.
std::uint64_t allocations_of_this_thread();

class AllocationCounter {
  public:
    AllocationCounter() : start_(allocations_of_this_thread()) {}
    std::uint64_t count() const { return allocations_of_this_thread() - start_; }

  private:
    std::uint64_t start_;
};

}  // namespace firecaffe::testing
