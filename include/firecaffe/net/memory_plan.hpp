// SPDX-License-Identifier: Apache-2.0
// MemoryPlan: places buffers with known lifetimes into one arena, so that buffers that never live at the same time
// share memory.
#pragma once

#include <cstddef>
#include <vector>

namespace firecaffe {

/// Alive in the closed interval [first, last] of a step's time (one tick per layer and pass).
struct BufferLifetime {
    std::size_t bytes = 0;
    int first = 0, last = 0;
};

struct MemoryPlan {
    std::vector<std::size_t> offsets;  ///< per buffer, in bytes; multiples of 64
    std::size_t bytes = 0;             ///< of the whole arena
    std::size_t unshared_bytes = 0;    ///< what it would be without sharing
};

/// Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020): the largest
/// buffer first, each into the lowest gap that is free during its lifetime.
MemoryPlan plan_memory(const std::vector<BufferLifetime>& buffers);

}  // namespace firecaffe
