// SPDX-License-Identifier: Apache-2.0
// The two ways in which our kernels are launched, both on the calling thread's current stream: a function of an index,
// and a function of an index that a group of threads computes together. No sum depends on how a launch is cut.
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "device/cuda/check.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::cuda {

inline constexpr std::int64_t kMostBlocks = 8192;  // some waves on any GPU; then each block takes several indices

inline unsigned blocks_for(std::int64_t blocks) {
    return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

template <class Body>
__global__ void __launch_bounds__(kGroupSize) for_each_kernel(std::int64_t count, Body body) {
    const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kGroupSize;
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kGroupSize + threadIdx.x; i < count; i += step)
        body(i);
}

inline constexpr int kSharedDoubles = 2 * kGroupSize;  // of a block

/// A block of threads. Partial results meet in shared memory, pairwise, always in the same order.
template <>
class Group<Cuda> {
  public:
    __device__ explicit Group(double* shared) : shared_(shared) {}

    template <class F>
    __device__ double sum(std::int64_t count, const F& f) {
        double own = 0.0;
        for (std::int64_t k = threadIdx.x; k < count; k += kGroupSize) own += static_cast<double>(f(k));
        return meet(own, [](double a, double b) { return a + b; });
    }

    template <class F>
    __device__ auto largest(std::int64_t count, const F& f) {
        auto own = f(threadIdx.x < count ? threadIdx.x : 0);
        for (std::int64_t k = threadIdx.x; k < count; k += kGroupSize) {
            const auto other = f(k);
            if (other > own) own = other;
        }
        // Through double, in which every float is itself.
        return static_cast<decltype(own)>(
            meet(static_cast<double>(own), [](double a, double b) { return a < b ? b : a; }));
    }

    /// In each warp first, and then over the warps.
    template <int Columns, int N, class Add, class Put>
    __device__ void column_sums(const Add& add, const Put& put) {
        constexpr int kWarp = 32, kOfWarps = Columns * N;
        static_assert(kWarp % Columns == 0 && (kGroupSize / kWarp) * kOfWarps <= kSharedDoubles);
        double own[N] = {};
        add(static_cast<int>(threadIdx.x) % Columns, static_cast<int>(threadIdx.x) / Columns, own);
#pragma unroll
        for (int k = 0; k < N; ++k)
#pragma unroll
            for (int half = kWarp / 2; half >= Columns; half /= 2)
                own[k] += __shfl_down_sync(0xFFFFFFFFU, own[k], static_cast<unsigned>(half));
        const int warp = static_cast<int>(threadIdx.x) / kWarp, member = static_cast<int>(threadIdx.x) % kWarp;
        if (member < Columns)
#pragma unroll
            for (int k = 0; k < N; ++k) shared_[warp * kOfWarps + member * N + k] = own[k];
        __syncthreads();
        for (int k = static_cast<int>(threadIdx.x); k < kOfWarps; k += kGroupSize) {
            double sum = shared_[k];
            for (int other = 1; other < kGroupSize / kWarp; ++other) sum += shared_[other * kOfWarps + k];
            put(k / N, k % N, sum);
        }
        __syncthreads();  // before the next one writes
    }

    template <class F>
    __device__ void for_each(std::int64_t count, const F& f) {
        for (std::int64_t k = threadIdx.x; k < count; k += kGroupSize) f(k);
        __syncthreads();
    }

    template <class F>
    __device__ void once(const F& f) {
        if (threadIdx.x == 0) f();
        __syncthreads();
    }

  private:
    template <class Join>
    __device__ double meet(double own, const Join& join) {
        shared_[threadIdx.x] = own;
        __syncthreads();
        for (unsigned half = kGroupSize / 2; half > 0; half /= 2) {
            if (threadIdx.x < half) shared_[threadIdx.x] = join(shared_[threadIdx.x], shared_[threadIdx.x + half]);
            __syncthreads();
        }
        const double result = shared_[0];
        __syncthreads();  // before the next one writes
        return result;
    }

    double* shared_;
};

template <class Body>
__global__ void __launch_bounds__(kGroupSize) for_each_group_kernel(std::int64_t count, Body body) {
    __shared__ double shared[kSharedDoubles];
    Group<Cuda> group(shared);
    for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) body(i, group);
}

template <>
struct Launch<Cuda> {
    template <class Body>
    static void for_each(std::int64_t count, const Body& body) {
        if (count <= 0) return;
        for_each_kernel<<<blocks_for((count + kGroupSize - 1) / kGroupSize), kGroupSize, 0, stream()>>>(count, body);
        check(cudaGetLastError(), "starting a kernel");
    }

    template <class Body>
    static void for_each_group(std::int64_t count, const Body& body) {
        if (count <= 0) return;
        for_each_group_kernel<<<blocks_for(count), kGroupSize, 0, stream()>>>(count, body);
        check(cudaGetLastError(), "starting a kernel");
    }
};

}  // namespace firecaffe::cuda
