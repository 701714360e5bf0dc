// SPDX-License-Identifier: Apache-2.0
// A GPU's memory, shown to other processes of the host and to other threads of this one (CUDA IPC).
//
//   MemoryHandle handle = show_memory(arena.data());   // here; bytes, sent in any way
//   PeerMemory peer(handle);                           // there; peer.data() is arena.data()
//
// Nothing here says when what lies there is complete: the two must tell each other.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "firecaffe/device/memory.hpp"

namespace firecaffe {

/// What names a whole Memory<Cuda> for the life of it. Plain bytes, that only a process on the same host can use.
struct MemoryHandle {
    std::array<std::byte, 96> bytes{};
};

/// The handle of a Memory<Cuda> that begins at `begin` and is of the calling thread's GPU. Small memory shares what the
/// driver maps with its neighbours: ask for multiples of kShownBytes, to show no more than meant. Throws DeviceError
/// where the system does not allow it.
MemoryHandle show_memory(const void* begin);
inline constexpr std::size_t kShownBytes = std::size_t{2} << 20;

/// Another's memory, where the calling thread's GPU reaches it: mapped, if another process owns it, and that itself if
/// a thread of this one does. End it before the owner frees the memory.
class PeerMemory {
  public:
    /// Throws DeviceError, saying why, where the system or the GPUs do not allow it.
    explicit PeerMemory(const MemoryHandle& handle);

    std::byte* data() const { return static_cast<std::byte*>(data_.get()); }

  private:
    std::shared_ptr<void> data_;
};

}  // namespace firecaffe
