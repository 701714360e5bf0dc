// SPDX-License-Identifier: Apache-2.0
// Sums of partial sums in a GPU's memory, or in that of one that is pretended, whose bits are compared with the host's.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "comm/partials.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe::testing {

enum class Gpu { real, pretended };

inline void put(Gpu gpu, std::byte* there, const void* here, std::size_t bytes) {
    if (bytes == 0) return;
    if (gpu == Gpu::pretended) {
        std::memcpy(there, here, bytes);
        return;
    }
    copy_bytes(here, Cpu{}, there, Cuda{}, bytes);
    wait_for_current_stream();
}

inline void get(Gpu gpu, const std::byte* there, void* here, std::size_t bytes) {
    if (bytes == 0) return;
    if (gpu == Gpu::pretended) {
        std::memcpy(here, there, bytes);
        return;
    }
    copy_bytes(there, Cuda{}, here, Cpu{}, bytes);
    wait_for_current_stream();
}

/// One arena for some buckets of equally many elements, and the slots in it.
template <class T>
class GpuSlots {
  public:
    GpuSlots(Gpu gpu, Reducer& reducer, const std::vector<std::vector<T>>& slots, int buckets = 1)
        : gpu_(gpu), count_(slots[0].size()), slots_(slots.size()) {
        const std::size_t stride = (count_ * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
        memory_ = reducer.allocate_on_gpu(stride * slots_ * static_cast<std::size_t>(buckets));
        for (std::size_t i = 0; i < slots_ * static_cast<std::size_t>(buckets); ++i) {
            pointers_.push_back(memory_.data() + i * stride);
            put(gpu_, pointers_.back(), slots[i % slots_].data(), count_ * sizeof(T));
        }
    }

    std::span<std::byte* const> of(int bucket) const {
        return std::span(pointers_).subspan(static_cast<std::size_t>(bucket) * slots_, slots_);
    }
    std::vector<T> sum(int bucket) const {
        std::vector<T> here(count_);
        get(gpu_, of(bucket)[0], here.data(), count_ * sizeof(T));
        return here;
    }

  private:
    const Gpu gpu_;
    const std::size_t count_, slots_;
    Memory<Cuda> memory_;
    std::vector<std::byte*> pointers_;
};

/// Sums `buckets` equal requests, all under way at once, and throws InternalError where a sum has other bits.
template <class T>
void check_sums(Gpu gpu, Reducer& reducer, const std::vector<std::vector<T>>& slots, const std::vector<T>& expected,
                int buckets = 1) {
    const GpuSlots<T> there(gpu, reducer, slots, buckets);
    std::vector<Ticket> tickets;
    for (int b = 0; b < buckets; ++b)
        tickets.push_back(reducer.submit({.bucket = static_cast<std::uint32_t>(b),
                                          .dtype = dtype_of<T>,
                                          .count = expected.size(),
                                          .partials = there.of(b)}));
    for (int b = 0; b < buckets; ++b) {
        reducer.wait(tickets[static_cast<std::size_t>(b)]);
        if (!same_bits(there.sum(b), expected))
            throw InternalError("rank ", reducer.rank(), " has another sum of bucket ", b);
    }
}

}  // namespace firecaffe::testing
