// SPDX-License-Identifier: Apache-2.0
// For tests that need a GPU: they are compiled wherever the library is, have the tag [cuda], and start with
//
//   if (!testing::has_gpu()) return;
//
// which prints a line that is counted as skipped where there is none.
#pragma once

#include <iostream>

#include "firecaffe/device/cuda.hpp"

namespace firecaffe::testing {

inline bool has_gpu() {
    const CudaDevices devices = cuda_devices();
    if (devices.count() > 0) return true;
    std::cout << "SKIP: no GPU: " << devices.reason << std::endl;
    return false;
}

}  // namespace firecaffe::testing
