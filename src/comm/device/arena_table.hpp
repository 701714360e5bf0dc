// SPDX-License-Identifier: Apache-2.0
// ArenaTable: the device memory of one rank that its peers may map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "comm/device/device_memory.hpp"

namespace firecaffe::comm {

/// Where bytes lie. Arenas count from 1.
struct ArenaPlace {
    std::uint32_t arena = 0;
    std::uint64_t offset = 0;
    MemoryHandle handle;
};

/// Any thread may call any function. What was shown and is freed by its owner stays until release(), because peers may
/// have it mapped; who asks for about as much gets it again.
class ArenaTable : public std::enable_shared_from_this<ArenaTable> {
  public:
    /// Zero-filled memory, which may outlive the table's other owners. Throws what DeviceMemory::make and renew throw.
    Memory<Cuda> allocate(DeviceMemory& device, std::size_t bytes);
    /// Shows the arena that holds the bytes, when first asked for it; none if no arena does. Throws what
    /// DeviceMemory::show throws.
    std::optional<ArenaPlace> find(DeviceMemory& device, std::span<const std::byte> bytes);
    /// No peer has anything mapped any more.
    void release() noexcept;
    /// Arenas that are there.
    std::size_t size() const;

  private:
    struct Arena {
        std::uint32_t number;
        Memory<Cuda> memory;
        std::optional<MemoryHandle> handle{};
        bool freed = false;
    };

    Arena* take_freed(std::size_t bytes);
    void free(std::uint32_t number) noexcept;

    mutable std::mutex mutex_;
    std::vector<Arena> arenas_;
    std::uint32_t last_number_ = 0;
    bool released_ = false;
};

}  // namespace firecaffe::comm
