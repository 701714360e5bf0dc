// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/ops/gpu_math.hpp"

namespace firecaffe::ops {

namespace {
thread_local GpuMath current;
}  // namespace

const GpuMath& current_gpu_math() noexcept {
    return current;
}

GpuMathScope::GpuMathScope(const GpuMath& math) noexcept : before_(current) {
    current = math;
}

GpuMathScope::~GpuMathScope() {
    current = before_;
}

}  // namespace firecaffe::ops
