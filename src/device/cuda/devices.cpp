// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/cuda.hpp"

#include "device/cuda/check.hpp"

namespace firecaffe {

CudaDevices cuda_devices() {
    int count = 0;  // an error leaves it untouched
    const cudaError_t status = cudaGetDeviceCount(&count);
    CudaDevices devices;
    if (status != cudaSuccess || count == 0) {
        (void)cudaGetLastError();
        devices.reason = cuda::absence_reason(status);
        return devices;
    }
    for (int i = 0; i < count; ++i) {
        cudaDeviceProp properties{};
        cuda::check(cudaGetDeviceProperties(&properties, i), "cudaGetDeviceProperties");
        devices.names.emplace_back(properties.name);
    }
    return devices;
}

void use_cuda_device(int index) {
    cuda::check(cudaSetDevice(index), "cudaSetDevice");
}

int current_cuda_device() {
    int index = 0;
    cuda::check(cudaGetDevice(&index), "cudaGetDevice");
    return index;
}

}  // namespace firecaffe
