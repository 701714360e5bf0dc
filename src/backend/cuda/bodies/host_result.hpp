// SPDX-License-Identifier: Apache-2.0
// A few numbers that a kernel tells the host: it writes them into pinned host memory, and the host waits for the
// stream.
#pragma once

#include <cstdint>
#include <type_traits>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe::cuda {

struct HostResult {
    double sum;
    std::int64_t counted;
    std::int64_t refused;  ///< elements that are not what they must be
};

/// The calling thread's own, so that threads do not meet in it.
inline HostResult* host_result() {
    static thread_local const Memory<Cpu> memory = pinned_memory(sizeof(HostResult));
    return reinterpret_cast<HostResult*>(memory.data());
}

/// What was queued before has run, and what it wrote is there.
template <class Device>
void wait_for_result() {
    if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
}

}  // namespace firecaffe::cuda
