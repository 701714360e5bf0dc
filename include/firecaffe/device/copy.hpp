// SPDX-License-Identifier: Apache-2.0
// Copies of bytes to, from and on a GPU, and host memory that is good for them. Typed copies are in tensor/copy.hpp.
#pragma once

#include <cstddef>

#include "firecaffe/device/memory.hpp"

namespace firecaffe {

/// Host memory that stays where it is (pinned), zero-filled: a GPU copies from and to it while the host goes on. Where
/// there is no GPU it is ordinary memory, so that the same program runs. Pinning takes long; do it once.
Memory<Cpu> pinned_memory(std::size_t bytes);

/// Queues a copy of `bytes` on the calling thread's current stream. Both ends must stay valid until it has run. With
/// host memory that is not pinned, the copy may be over when this returns, or may make the host wait. Throws
/// DeviceError; zero bytes are an ordinary size.
void copy_bytes(const void* from, Cpu, void* to, Cuda, std::size_t bytes);
void copy_bytes(const void* from, Cuda, void* to, Cpu, std::size_t bytes);
void copy_bytes(const void* from, Cuda, void* to, Cuda, std::size_t bytes);
/// At once, and without a stream, so that code which is generic in the device may call it.
void copy_bytes(const void* from, Cpu, void* to, Cpu, std::size_t bytes);

/// Queues that `bytes` from `to` on become zero, as copy_bytes does.
void clear_bytes(void* to, Cuda, std::size_t bytes);

}  // namespace firecaffe
