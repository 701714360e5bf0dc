// SPDX-License-Identifier: Apache-2.0
// Everything that one run states, as option structs of the rooms. `config` reads it from JSON.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/data/options.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/net/spec.hpp"
#include "firecaffe/ops/gpu_math.hpp"
#include "firecaffe/optim/options.hpp"
#include "firecaffe/reducer/options.hpp"

namespace firecaffe {

enum class DeviceKind : std::uint8_t { cpu, cuda };
inline constexpr const char* kDeviceNames[] = {Cpu::kName, Cuda::kName};

constexpr const char* device_name(DeviceKind device) {
    return kDeviceNames[static_cast<int>(device)];
}

/// In what activations are kept and multiplied. Parameters and their gradients are float, and double with float64. tf32
/// is float that is rounded to 10 bits of mantissa before it is multiplied on tensor cores.
enum class Precision : std::uint8_t { float32, float64, tf32, bfloat16, float16 };
inline constexpr const char* kPrecisionNames[] = {"float32", "float64", "tf32", "bfloat16", "float16"};

constexpr const char* precision_name(Precision precision) {
    return kPrecisionNames[static_cast<int>(precision)];
}
/// Whether activations of this precision lie in memory as `dtype`.
constexpr bool is_stored_as(Precision precision, DType dtype) {
    switch (precision) {
        case Precision::float32:
        case Precision::tf32:
            return dtype == DType::float32;
        case Precision::float64:
            return dtype == DType::float64;
        case Precision::bfloat16:
            return dtype == DType::bfloat16;
        case Precision::float16:
            return dtype == DType::float16;
    }
    return false;
}

/// In the place of a fixed scale of the loss: it is found, and follows the gradients.
inline constexpr double kDynamicLossScale = 0.0;
inline constexpr const char* kDynamicLossScaleName = "dynamic";

struct ComputeOptions {
    DeviceKind device = DeviceKind::cpu;
    std::int64_t threads = 1;  ///< math threads of a worker: so many shards are in flight; of the Cpu
    Precision precision = Precision::float32;
    double loss_scale = kDynamicLossScale;  ///< of float16, whose small gradients would be lost: GradientGauge
    // Of a GPU; ops::GpuMath says what they mean.
    bool deterministic = true;
    std::int64_t tune = 4;            ///< ways that are timed, unless deterministic
    std::int64_t workspace_mb = 256;  ///< for one op
    bool graph = true;       ///< what a step queues is recorded first, and queued as one or in a few parts
    std::string plan_cache;  ///< a file that keeps the ways that were chosen; empty: none
};

/// How ops multiply on a GPU.
constexpr ops::GpuMath gpu_math(const ComputeOptions& compute) {
    return {.tf32 = compute.precision == Precision::tf32,
            .deterministic = compute.deterministic,
            .workspace_budget = compute.workspace_mb << 20,
            .tune_first = static_cast<std::size_t>(compute.deterministic ? 1 : compute.tune)};
}

struct OutputOptions {
    std::string directory;                 ///< empty: nothing is written
    std::int64_t checkpoint_interval = 0;  ///< iterations between checkpoints; 0: none but the last
    std::int64_t keep = 3;                 ///< checkpoints kept; 0: all
};

/// The `reducer`, `solver`, `net` and `data` parts must be equal on all ranks; `compute` and `output` may differ, but
/// for compute.precision and compute.loss_scale, and compute.threads where solver.shards follows from it (0).
struct TrainOptions {
    std::string name;
    DataOptions data;
    NetSpec net;
    SolverOptions solver;
    ReducerOptions reducer;
    ComputeOptions compute;
    OutputOptions output;
};

}  // namespace firecaffe
