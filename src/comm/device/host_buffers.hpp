// SPDX-License-Identifier: Apache-2.0
// HostBuffers: host memory through which a device's bytes travel, kept, because making it takes long.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/device/device_memory.hpp"

namespace firecaffe::comm {

/// One thread at a time. Lends of it must end before it does.
class HostBuffers {
  public:
    /// The device must outlive it.
    explicit HostBuffers(DeviceMemory& device) : device_(device) {}

    /// A buffer's number; the smallest that is free and suffices, or a new one.
    std::size_t take(std::size_t bytes);
    void give_back(std::size_t buffer) noexcept { entries_[buffer].free = true; }
    std::byte* operator[](std::size_t buffer) const { return entries_[buffer].memory.data(); }
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        Memory<Cpu> memory;
        bool free = true;
    };

    DeviceMemory& device_;
    std::vector<Entry> entries_;
};

}  // namespace firecaffe::comm
