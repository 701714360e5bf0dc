// SPDX-License-Identifier: Apache-2.0
// A GPU by its figures alone. From such a description cuDNN makes plans on a machine that has neither the GPU nor a
// driver; plans for the real one are asked of the real one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace firecaffe::cuda::dnn {

/// The fields that differ between the GPUs known here. Those that do not are written by `to_json`.
struct DeviceDescription {
    std::string_view short_name;  ///< as users say it: "h200"
    std::string_view name;        ///< as the driver says it: "NVIDIA H200"
    int compute_capability;       ///< times 100: 900
    int multiprocessors;
    std::int64_t clock_khz, memory_clock_khz;
    std::int64_t l2_bytes, memory_bytes;
    std::int64_t shared_bytes_per_block;  ///< the most that a kernel can ask for
};

/// H200, H100, A100, from public figures. Clocks and memory sizes guide cuDNN's estimates; what a plan needs to run
/// (compute capability, shared memory) is exact.
std::span<const DeviceDescription> known_devices();

/// By its short name. Throws UsageError, which lists the known ones.
const DeviceDescription& device_description(std::string_view short_name);

/// The 23 fields that cuDNN 9 reads.
std::string to_json(const DeviceDescription& device);

}  // namespace firecaffe::cuda::dnn
