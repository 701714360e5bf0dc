// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/net/memory_plan.hpp"

#include <algorithm>
#include <numeric>

#include "firecaffe/device/memory.hpp"

namespace firecaffe {

MemoryPlan plan_memory(const std::vector<BufferLifetime>& buffers) {
    const auto padded = [](std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; };
    std::vector<std::size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

    MemoryPlan plan;
    plan.offsets.resize(buffers.size());
    std::vector<std::size_t> placed;  // ascending offsets
    for (const std::size_t i : order) {
        const BufferLifetime& buffer = buffers[i];
        const std::size_t bytes = padded(buffer.bytes);
        plan.unshared_bytes += bytes;
        std::size_t offset = 0;
        for (const std::size_t other : placed) {
            const BufferLifetime& taken = buffers[other];
            if (taken.last < buffer.first || buffer.last < taken.first) continue;
            if (offset + bytes <= plan.offsets[other]) break;
            offset = std::max(offset, plan.offsets[other] + padded(taken.bytes));
        }
        plan.offsets[i] = offset;
        plan.bytes = std::max(plan.bytes, offset + bytes);
        const auto by_offset = [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; };
        placed.insert(std::upper_bound(placed.begin(), placed.end(), i, by_offset), i);
    }
    return plan;
}

}  // namespace firecaffe
