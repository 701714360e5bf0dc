// SPDX-License-Identifier: Apache-2.0
// DeviceMemory: what a GPU does for a collective, as an interface, so that tests can pretend one on the host.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "firecaffe/comm/collective/arithmetic.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/device/peer_memory.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe::comm {

class ArenaTable;

/// Threads: make(), renew() and show() may be called by any; the others by one at a time, between enter() and leave().
class DeviceMemory : public Arithmetic {
  public:
    DeviceMemory();
    /// What this rank's peers may map: all that they are sent from lies there.
    ArenaTable& arenas() const { return *arenas_; }
    Buffer allocate(std::size_t bytes) final;

    /// Work by the calling thread follows, which ends at leave(what this returns). `check` throws where the ranks have
    /// come to an end; complete() calls it now and then.
    virtual int enter(std::function<void()> check) = 0;
    virtual void leave(int before) noexcept = 0;
    /// What is begun from now on runs after this point in the work of the same device.
    virtual void after(const Event& event) = 0;

    /// Whole and zero-filled, such as show() takes.
    virtual Memory<Cuda> make(std::size_t bytes) = 0;
    /// Zeros again, when this returns.
    virtual void renew(const Memory<Cuda>& memory) = 0;
    /// Throws DeviceError where the system does not allow it.
    virtual MemoryHandle show(const Memory<Cuda>& memory) = 0;
    /// What another rank of this host has shown. It must end before its owner frees it. Throws as show().
    virtual Buffer open(const MemoryHandle& handle) = 0;

    /// Begin copies: here, or from what a peer has shown; and between here and memory of host_buffer().
    virtual void copy(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
    virtual void copy_in(std::byte* to, const std::byte* host, std::size_t bytes) = 0;
    virtual void copy_out(std::byte* host, const std::byte* from, std::size_t bytes) = 0;
    virtual Memory<Cpu> host_buffer(std::size_t bytes) = 0;

  private:
    const std::shared_ptr<ArenaTable> arenas_;
};

/// That of the GPU which the calling thread uses. Throws DeviceError where there is none.
std::unique_ptr<DeviceMemory> make_cuda_memory();

}  // namespace firecaffe::comm
