// SPDX-License-Identifier: Apache-2.0
// From the device and precision that a config names to the types that they are: the one place where this is chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <type_traits>

#include "cli/gpu_shares.hpp"
#include "device/instances.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::cli {

/// --device, --precision, --tune: in place of what the config says.
struct ComputeArguments {
    std::optional<DeviceKind> device;
    std::optional<Precision> precision;
    std::optional<std::int64_t> tune;

    ComputeOptions over(ComputeOptions options) const;
};
void add_compute_arguments(CLI::App& command, ComputeArguments& arguments);

/// Throws ConfigError: there is nothing of that kind.
[[noreturn]] void refuse_device(const ComputeOptions& compute);

template <class Device>
inline constexpr DeviceKind kind_of = std::is_same_v<Device, Cuda> ? DeviceKind::cuda : DeviceKind::cpu;

/// work.template operator()<T, Device>() with what `compute` says; returns what it returns.
template <class Work>
auto on_device(const ComputeOptions& compute, int local_rank, const Work& work) {
    if (compute.device == DeviceKind::cuda) use_gpu_of(local_rank);
#define FIRECAFFE_TRY(T, Device)                                                           \
    if (compute.device == kind_of<Device> && is_stored_as(compute.precision, dtype_of<T>)) \
        return work.template operator()<T, Device>();
    FIRECAFFE_FOR_EACH_NET(FIRECAFFE_TRY)
#undef FIRECAFFE_TRY
    refuse_device(compute);
}

}  // namespace firecaffe::cli
