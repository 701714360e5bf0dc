// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/cuda.hpp"

#include <csignal>

#include "device/cuda/check.hpp"

namespace firecaffe {

namespace {

/// The driver may start threads when it is first asked. They are not to take signals that the program waits for, and
/// have the mask of the thread that asks.
class NoSignals {
  public:
    NoSignals() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;
    ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

}  // namespace

CudaDevices cuda_devices() {
    const NoSignals scope;
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
