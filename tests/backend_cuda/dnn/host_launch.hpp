// SPDX-License-Identifier: Apache-2.0
// Kernels on the host: the indices of a launch, one after the other.
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::cuda {

template <>
struct Launch<Cpu> {
    template <class Body>
    static void for_each(std::int64_t count, const Body& body) {
        for (std::int64_t i = 0; i < count; ++i) body(i);
    }
};

}  // namespace firecaffe::cuda
