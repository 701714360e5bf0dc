// SPDX-License-Identifier: Apache-2.0
// RegionTable: the memory of one rank that its peers on the host can map. What lies in it is sent by saying where.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "comm/transport/shared_memory.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {

/// Where bytes lie. Regions count from 1; 0 is none of them.
struct RegionPlace {
    std::uint32_t region = 0;
    std::uint64_t offset = 0;
};

/// Any thread may call any function.
class RegionTable : public std::enable_shared_from_this<RegionTable> {
  public:
    /// A new region, which leaves the table when the memory is freed. Throws UnavailableError and std::bad_alloc.
    Memory<Cpu> allocate(std::size_t bytes);
    RegionPlace find(std::span<const std::byte> bytes) const;
    /// Calls use(descriptor, size) if the region is still there, during which it stays; else returns false.
    template <class Use>
    bool with(std::uint32_t region, Use use) const {
        const std::lock_guard lock(mutex_);
        for (const auto& [number, memory] : regions_)
            if (number == region) return use(memory.fd(), memory.bytes());
        return false;
    }
    bool contains(std::uint32_t region) const {
        return with(region, [](int, std::size_t) { return true; });
    }
    /// Changes whenever a region leaves.
    std::uint64_t freed() const { return freed_.load(std::memory_order_acquire); }

  private:
    struct Region {
        std::uint32_t number;
        SharedMemory memory;
    };

    void free(std::uint32_t region) noexcept;

    mutable std::mutex mutex_;
    std::vector<Region> regions_;
    std::uint32_t last_number_ = 0;
    std::atomic<std::uint64_t> freed_{0};
};

}  // namespace firecaffe::comm
