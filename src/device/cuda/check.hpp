// SPDX-License-Identifier: Apache-2.0
// The CUDA runtime's status codes as DeviceError.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "firecaffe/device/stream.hpp"

namespace firecaffe::cuda {

/// Throws DeviceError that says what was tried, on which GPU, what the runtime answers and what to do.
[[noreturn]] void fail(cudaError_t status, const std::string& what);

/// Throws unless `status` is success. `what`: "cudaEventCreate".
inline void check(cudaError_t status, const char* what) {
    if (status != cudaSuccess) fail(status, what);
}

/// Why there is no GPU, and the cure, in words for this status of cudaGetDeviceCount.
std::string absence_reason(cudaError_t status);

/// The calling thread's current stream, as the runtime calls it.
inline cudaStream_t stream() {
    return static_cast<cudaStream_t>(current_stream());
}

}  // namespace firecaffe::cuda
