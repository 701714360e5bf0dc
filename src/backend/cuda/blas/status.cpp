// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/blas/status.hpp"

#include <map>

#include "firecaffe/device/cuda.hpp"

namespace firecaffe::cuda::blas {

void check(cublasStatus_t answer, std::string_view what, std::string_view place) {
    if (answer == CUBLAS_STATUS_SUCCESS) return;
    throw DeviceError("cuBLAS: ", what, ": ", std::string_view(cublasLtGetStatusName(answer)), " (",
                      std::string_view(cublasLtGetStatusString(answer)), "), for ", place);
}

cublasLtHandle_t handle() {
    thread_local std::map<int, Handle> handles;
    Handle& mine = handles[current_cuda_device()];
    if (mine == nullptr) {
        const CudaDevices devices = cuda_devices();
        if (devices.count() == 0) throw DeviceError("inner product: ", devices.reason);
        cublasLtHandle_t made = nullptr;
        check(cublasLtCreate(&made), "cannot start", "the calling thread");
        mine.reset(made);
    }
    return mine.get();
}

}  // namespace firecaffe::cuda::blas
