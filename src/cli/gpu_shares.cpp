// SPDX-License-Identifier: Apache-2.0
#include "cli/gpu_shares.hpp"

#include <stdlib.h>

#include <string>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe::cli {

int require_gpu() {
    const CudaDevices devices = cuda_devices();
    if (devices.count() == 0) throw DeviceError("this worker is to use a GPU: ", devices.reason);
    return devices.count();
}

void use_gpu_of(int local_rank) {
    use_cuda_device(local_rank % require_gpu());
}

void let_nccl_share_gpus(const LaunchInfo& launch) {
    ::setenv("NCCL_HOSTID", text("firecaffe-", launch.rank).c_str(), 1);
    const auto set = [](const char* name, const char* value) { ::setenv(name, value, 0); };
    for (const char* const name : {"NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE"}) set(name, "1");
    for (const char* const name : {"NCCL_MNNVL_ENABLE", "NCCL_NVLS_ENABLE", "NCCL_RAS_ENABLE"}) set(name, "0");
    set("NCCL_MAX_CTAS", "4");  // blocks of several workers must find room on the GPU at once
    if (launch.local_size != launch.size) return;
    set("NCCL_NET", "Socket");
    set("NCCL_SOCKET_IFNAME", "lo");
    set("NCCL_IB_DISABLE", "1");
}

void require_gpu_for_each(int workers, bool share) {
    const int gpus = cuda_devices().count();
    if (share || workers <= gpus) return;
    throw UsageError("NCCL wants a GPU for each worker, and this host has ", gpus, " for ", workers,
                     " workers; start fewer, or let them share with --share-gpu, which is slow and meant for tests");
}

}  // namespace firecaffe::cli
