// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/memory.hpp"

#include "device/cuda/check.hpp"
#include "firecaffe/core/text.hpp"

namespace firecaffe::detail {

// Whole allocations of cudaMalloc, because only these can be shown to other processes. Zeros are there when this
// returns, so that any stream may use the memory.
template <>
void* allocate_bytes<Cuda>(std::size_t bytes) {
    void* pointer = nullptr;
    if (const cudaError_t status = cudaMalloc(&pointer, bytes); status != cudaSuccess) {
        std::size_t free_bytes = 0, total = 0;
        (void)cudaMemGetInfo(&free_bytes, &total);
        cuda::fail(status, text("allocating ", bytes, " bytes (", free_bytes, " of ", total, " are free)"));
    }
    cudaError_t status = cudaMemsetAsync(pointer, 0, bytes, cuda::stream());
    if (status == cudaSuccess) status = cudaStreamSynchronize(cuda::stream());
    if (status != cudaSuccess) {
        (void)cudaFree(pointer);
        cuda::fail(status, text("clearing ", bytes, " bytes of new memory"));
    }
    return pointer;
}

template <>
void release_bytes<Cuda>(void* pointer) noexcept {
    if (pointer != nullptr) (void)cudaFree(pointer);
}

}  // namespace firecaffe::detail
