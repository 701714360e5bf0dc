// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/check.hpp"

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda {

namespace {

/// What a user can do about it.
const char* cure(cudaError_t status) {
    switch (status) {
        case cudaErrorMemoryAllocation:
            return "use a smaller batch, or see with nvidia-smi who else uses this GPU";
        case cudaErrorNoKernelImageForDevice:
        case cudaErrorUnsupportedPtxVersion:
            return "build for this GPU: -DCMAKE_CUDA_ARCHITECTURES=native";
        case cudaErrorInvalidDevice:
            return "choose a GPU that nvidia-smi lists";
        default:
            return "the GPU can be used no more by this process; start again, and with CUDA_LAUNCH_BLOCKING=1 to see "
                   "which operation fails";
    }
}

}  // namespace

std::string absence_reason(cudaError_t status) {
    switch (status) {
        case cudaSuccess:
        case cudaErrorNoDevice:
            return "the driver shows this process no GPU; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use the device "
                   "cpu";
        case cudaErrorInsufficientDriver:  // also where there is none
        case cudaErrorStubLibrary:
            return "there is no NVIDIA driver, or one that is older than this program's CUDA; install one, or use the "
                   "device cpu";
        default:
            return text("the driver answers ", cudaGetErrorString(status), " (", cudaGetErrorName(status),
                        "); see nvidia-smi, or use the device cpu");
    }
}

void fail(cudaError_t status, const std::string& what) {
    int count = 0;
    const cudaError_t counted = cudaGetDeviceCount(&count);
    (void)cudaGetLastError();  // what was reported is not to be reported again by who comes next
    if (counted != cudaSuccess || count == 0) throw DeviceError(what, ": no GPU: ", absence_reason(counted));
    int device = 0;
    (void)cudaGetDevice(&device);
    throw DeviceError(what, " failed on GPU ", device, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status),
                      "); ", cure(status));
}

}  // namespace firecaffe::cuda
