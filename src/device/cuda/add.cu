// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/add.hpp"

#include <algorithm>

#include "device/cuda/check.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace {

constexpr std::size_t kThreads = 256;
constexpr std::size_t kMostBlocks = 8192;  // some waves on any GPU; then each thread adds several elements

template <class T>
__global__ void __launch_bounds__(kThreads) add_kernel(T* to, const T* from, std::size_t count) {
    const std::size_t step = static_cast<std::size_t>(gridDim.x) * kThreads;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += step)
        to[i] += from[i];
}

template <class T>
void queue(void* to, const void* from, std::size_t count) {
    const std::size_t blocks = std::min((count + kThreads - 1) / kThreads, kMostBlocks);
    add_kernel<T><<<static_cast<unsigned>(blocks), static_cast<unsigned>(kThreads), 0, cuda::stream()>>>(
        static_cast<T*>(to), static_cast<const T*>(from), count);
    cuda::check(cudaGetLastError(), "starting an addition");
}

}  // namespace

void queue_add(void* to, const void* from, std::size_t count, DType dtype, Cuda) {
    if (dtype != DType::float32 && dtype != DType::float64)
        throw UsageError("queue_add: cannot add ", to_string(dtype), " on a GPU; pass float32 or float64");
    if (count == 0) return;
    dtype == DType::float64 ? queue<double>(to, from, count) : queue<float>(to, from, count);
}

}  // namespace firecaffe
