// SPDX-License-Identifier: Apache-2.0
// The plan that an op runs: from the cache, by heuristics, or the fastest of several on the GPU.
#pragma once

#include "backend/cuda/dnn/plan.hpp"
#include "backend/cuda/dnn/plan_cache.hpp"
#include "firecaffe/ops/gpu_math.hpp"

namespace firecaffe::cuda::dnn {

/// Runs a plan once on the GPU and returns its milliseconds.
using Timer = std::function<double(Plan&)>;

/// Takes what the cache has, if it was chosen for the same budget, and measured where `math` wants that; else looks for
/// a plan, measures with `timer` if `math` says so, and keeps what it chose. Without a timer nothing is measured.
/// Throws DeviceError where cuDNN has no code for the problem.
Plan find_plan(const Problem& problem, const Target& target, const ops::GpuMath& math, PlanCache& cache,
               const Timer& timer);

}  // namespace firecaffe::cuda::dnn
