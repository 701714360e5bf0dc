// SPDX-License-Identifier: Apache-2.0
// Which GPUs this program can use, here and now. The same program runs with a GPU and without: a build without CUDA, a
// machine without a driver and a machine without a GPU all have no devices, and a reason.
#pragma once

#include <string>
#include <vector>

namespace firecaffe {

/// The GPUs of this machine that the driver shows to this process.
struct CudaDevices {
    std::vector<std::string> names;  ///< by number; empty where there is none
    std::string reason;              ///< why there is none, and the cure; empty where there is one

    int count() const { return static_cast<int>(names.size()); }
};

/// Never throws for want of a GPU: whatever error the driver gives means that there is none, and becomes the reason.
CudaDevices cuda_devices();

/// The calling thread uses GPU `index` from now on; a thread that never says so uses number 0. Throws DeviceError where
/// there is no such GPU.
void use_cuda_device(int index);
/// The number of the calling thread's GPU.
int current_cuda_device();

/// While it lives, the calling thread uses this GPU. Scopes nest. Throws DeviceError where there is no such GPU.
class CudaDeviceScope {
  public:
    explicit CudaDeviceScope(int index);
    CudaDeviceScope(const CudaDeviceScope&) = delete;
    CudaDeviceScope& operator=(const CudaDeviceScope&) = delete;
    ~CudaDeviceScope();

  private:
    int before_;
};

}  // namespace firecaffe
