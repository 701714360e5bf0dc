// SPDX-License-Identifier: Apache-2.0
// A build without CUDA: there are no GPUs, and whoever asks for one is told what to switch on.
#include <cstddef>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/add.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/device/peer_memory.hpp"
#include "firecaffe/device/graph.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe {

namespace {

constexpr const char* kReason =
    "this build has no CUDA; build with -DFIRECAFFE_CUDA=ON (preset cuda, docs/gpu.md), or use the device cpu";

[[noreturn]] void refuse() { throw DeviceError(kReason); }

}  // namespace

CudaDevices cuda_devices() { return {{}, kReason}; }
void use_cuda_device(int) { refuse(); }
int current_cuda_device() { refuse(); }

Stream::Stream(Priority) { refuse(); }
Stream::~Stream() = default;
void Stream::after(const Event&) { refuse(); }
void Stream::wait() const { refuse(); }
void wait_for_current_stream() { refuse(); }
void queue_wait(const Event&) { refuse(); }

WorkGraph::~WorkGraph() = default;
void WorkGraph::begin() { refuse(); }
void WorkGraph::discard() noexcept {}
void WorkGraph::launch() { refuse(); }

Event::Event(bool) { refuse(); }
Event::~Event() = default;
void Event::record(const Stream&) { refuse(); }
void Event::record() { refuse(); }
bool Event::reached() const { refuse(); }
void Event::wait() const { refuse(); }
double Event::milliseconds_since(const Event&) const { refuse(); }

Memory<Cpu> pinned_memory(std::size_t bytes) { return Memory<Cpu>(bytes); }
void copy_bytes(const void*, Cpu, void*, Cuda, std::size_t) { refuse(); }
void copy_bytes(const void*, Cuda, void*, Cpu, std::size_t) { refuse(); }
void copy_bytes(const void*, Cuda, void*, Cuda, std::size_t) { refuse(); }
void clear_bytes(void*, Cuda, std::size_t) { refuse(); }
void queue_add(void*, const void*, std::size_t, DType, Cuda) { refuse(); }

MemoryHandle show_memory(const void*) { refuse(); }
PeerMemory::PeerMemory(const MemoryHandle&) { refuse(); }

namespace detail {

template <>
void* allocate_bytes<Cuda>(std::size_t) {
    refuse();
}

template <>
void release_bytes<Cuda>(void*) noexcept {}

}  // namespace detail

}  // namespace firecaffe
