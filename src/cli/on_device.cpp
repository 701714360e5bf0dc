// SPDX-License-Identifier: Apache-2.0
#include "cli/on_device.hpp"

namespace firecaffe::cli {

void add_device_option(CLI::App& command, std::optional<DeviceKind>& device) {
    command
        .add_option_function<std::string>(
            "--device",
            [&device](const std::string& name) { device = name == Cuda::kName ? DeviceKind::cuda : DeviceKind::cpu; },
            "Where the maths runs (compute.device)")
        ->check(CLI::IsMember({Cpu::kName, Cuda::kName}));
}

void refuse_device(const ComputeOptions& compute) {
    throw ConfigError("/compute/precision: '", precision_name(compute.precision), "' is not computed on the device '",
                      device_name(compute.device), "'; use float32");
}

}  // namespace firecaffe::cli
