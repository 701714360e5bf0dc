// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/copy.hpp"

#include <cstring>
#include <memory>

#include "device/cuda/check.hpp"
#include "firecaffe/core/text.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe {

namespace {

void queue_copy(const void* from, void* to, std::size_t bytes, cudaMemcpyKind kind, const char* direction) {
    if (bytes == 0) return;
    const cudaError_t status = cudaMemcpyAsync(to, from, bytes, kind, cuda::stream());
    if (status != cudaSuccess) cuda::fail(status, text("copying ", bytes, " bytes ", direction));
}

}  // namespace

Memory<Cpu> pinned_memory(std::size_t bytes) {
    if (bytes == 0 || cuda_devices().count() == 0) return Memory<Cpu>(bytes);
    void* pointer = nullptr;
    if (const cudaError_t status = cudaHostAlloc(&pointer, bytes, cudaHostAllocPortable); status != cudaSuccess) {
        cuda::fail(status, text("pinning ", bytes, " bytes of host memory"));
    }
    std::shared_ptr<void> owner(pointer, [](void* p) { (void)cudaFreeHost(p); });
    std::memset(pointer, 0, bytes);
    return Memory<Cpu>(pointer, bytes, std::move(owner));
}

void copy_bytes(const void* from, Cpu, void* to, Cuda, std::size_t bytes) {
    queue_copy(from, to, bytes, cudaMemcpyHostToDevice, "to the GPU");
}

void copy_bytes(const void* from, Cuda, void* to, Cpu, std::size_t bytes) {
    queue_copy(from, to, bytes, cudaMemcpyDeviceToHost, "from the GPU");
}

void copy_bytes(const void* from, Cuda, void* to, Cuda, std::size_t bytes) {
    queue_copy(from, to, bytes, cudaMemcpyDeviceToDevice, "on the GPU");
}

void clear_bytes(void* to, Cuda, std::size_t bytes) {
    if (bytes > 0) cuda::check(cudaMemsetAsync(to, 0, bytes, cuda::stream()), "clearing memory");
}

}  // namespace firecaffe
