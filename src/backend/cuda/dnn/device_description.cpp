// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/device_description.hpp"

#include <array>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda::dnn {

namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

constexpr std::array kDevices{
    DeviceDescription{"h200", "NVIDIA H200", 900, 132, 1'980'000, 3'201'000, 60 * kMiB, 150'754'820'096, 232'448},
    DeviceDescription{"h100", "NVIDIA H100 80GB HBM3", 900, 132, 1'980'000, 2'619'000, 50 * kMiB, 85'031'714'816,
                      232'448},
    DeviceDescription{"a100", "NVIDIA A100-SXM4-80GB", 800, 108, 1'410'000, 1'593'000, 40 * kMiB, 85'094'825'984,
                      166'912},
};

}  // namespace

std::span<const DeviceDescription> known_devices() {
    return kDevices;
}

const DeviceDescription& device_description(std::string_view short_name) {
    std::string known;
    for (const DeviceDescription& device : kDevices) {
        if (device.short_name == short_name) return device;
        known += text(known.empty() ? "" : ", ", device.short_name);
    }
    throw UsageError("no figures of a GPU \"", short_name, "\"; known are ", known);
}

std::string to_json(const DeviceDescription& d) {
    return text("{\"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64], ",
                "\"regsPerBlock\": 65536, \"multiProcessorCount\": ", d.multiprocessors,
                ", \"smClockRateKHz\": ", d.clock_khz, ", \"memClockRateKHz\": ", d.memory_clock_khz,
                ", \"l2CacheSize\": ", d.l2_bytes, ", \"warpSize\": 32, \"maxSharedMemoryPerBlock\": 49152, ",
                "\"maxSharedMemoryPerBlockOptin\": ", d.shared_bytes_per_block,
                ", \"reservedSharedMemoryPerBlock\": 1024, \"maxRegistersPerSM\": 65536, \"pciDeviceId\": 0, ",
                "\"maxCtasPerSM\": 32, \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": 2048, ",
                "\"isTccDriver\": 0, \"supportCoopLaunch\": 1, \"deviceVer\": ", d.compute_capability,
                ", \"driverVer\": 13000, \"deviceName\": \"", d.name, "\", \"cudaDeviceId\": 0, ",
                "\"totalGlobalMem\": ", d.memory_bytes, "}");
}

}  // namespace firecaffe::cuda::dnn
