// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/peer_memory.hpp"

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <random>

#include "device/cuda/check.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe {

namespace {

struct Content {
    std::uint64_t process_draw, process_id;
    std::uint64_t address;
    std::int64_t device;
    cudaIpcMemHandle_t handle;
};
static_assert(sizeof(Content) <= sizeof(MemoryHandle));

/// Processes of two containers may have one number.
std::uint64_t process_draw() {
    static const std::uint64_t draw = [] {
        std::random_device random;
        return (std::uint64_t{random()} << 32) | random();
    }();
    return draw;
}

[[noreturn]] void refuse(cudaError_t status, const char* what) {
    (void)cudaGetLastError();  // what was reported is not to be reported again by who comes next
    throw DeviceError(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status),
                      "); this system, container or pair of GPUs does not allow it");
}

/// This process' own memory, on this GPU or on another.
void* reach(const Content& content) {
    const int here = current_cuda_device(), there = static_cast<int>(content.device);
    if (here != there) {
        int possible = 0;
        cuda::check(cudaDeviceCanAccessPeer(&possible, here, there), "cudaDeviceCanAccessPeer");
        if (possible == 0) throw DeviceError("GPU ", here, " cannot reach the memory of GPU ", there);
        const cudaError_t status = cudaDeviceEnablePeerAccess(there, 0);
        if (status != cudaSuccess && status != cudaErrorPeerAccessAlreadyEnabled)
            refuse(status, "reaching the memory of another GPU (cudaDeviceEnablePeerAccess)");
        (void)cudaGetLastError();  // that it was enabled already
    }
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(content.address));
}

/// On the GPU on which it was opened.
void close(void* mapped, int device) noexcept {
    int before = 0;
    const bool known = cudaGetDevice(&before) == cudaSuccess;
    if (cudaSetDevice(device) == cudaSuccess) (void)cudaIpcCloseMemHandle(mapped);
    if (known) (void)cudaSetDevice(before);
    (void)cudaGetLastError();  // nothing can be done about a mapping that does not end
}

}  // namespace

MemoryHandle show_memory(const void* begin) {
    Content content{};
    content.process_draw = process_draw();
    content.process_id = static_cast<std::uint64_t>(::getpid());
    content.address = reinterpret_cast<std::uintptr_t>(begin);
    content.device = current_cuda_device();
    const cudaError_t status = cudaIpcGetMemHandle(&content.handle, const_cast<void*>(begin));
    if (status != cudaSuccess) refuse(status, "showing a GPU's memory to other processes (cudaIpcGetMemHandle)");
    MemoryHandle handle;
    std::memcpy(handle.bytes.data(), &content, sizeof content);
    return handle;
}

PeerMemory::PeerMemory(const MemoryHandle& handle) {
    Content content{};
    std::memcpy(&content, handle.bytes.data(), sizeof content);
    if (content.process_draw == process_draw() && content.process_id == static_cast<std::uint64_t>(::getpid())) {
        data_ = std::shared_ptr<void>(reach(content), [](void*) {});
        return;
    }
    const int device = current_cuda_device();
    void* mapped = nullptr;
    const cudaError_t status = cudaIpcOpenMemHandle(&mapped, content.handle, cudaIpcMemLazyEnablePeerAccess);
    if (status != cudaSuccess) refuse(status, "mapping a GPU's memory of another process (cudaIpcOpenMemHandle)");
    data_ = std::shared_ptr<void>(mapped, [device](void* place) { close(place, device); });
}

}  // namespace firecaffe
