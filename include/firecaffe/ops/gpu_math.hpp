// SPDX-License-Identifier: Apache-2.0
// How a GPU may compute what libraries compute for it: convolutions and inner products.
//
//   ops::GpuMathScope scope({.tf32 = true, .deterministic = false, .tune_first = 8});
//   Net<float, Cuda> net(...);   // its ops are built within the scope, and keep what it said
#pragma once

#include <cstddef>
#include <cstdint>

namespace firecaffe::ops {

struct GpuMath {
    /// Float may be rounded to 10 bits of mantissa before it is multiplied, on the tensor cores: several times faster.
    bool tf32 = false;
    /// Only ways that give the same bits in each run. Nothing is timed then, as the fastest may be another one each
    /// time.
    bool deterministic = true;
    /// Bytes of work space for one op; what needs more is only taken where nothing else can do it. One work space
    /// serves all ops of a stream.
    std::int64_t workspace_budget = std::int64_t{256} << 20;
    /// How many ways are timed when an op first runs, before the fastest is taken; up to 1: the first is taken untimed.
    std::size_t tune_first = 1;

    friend bool operator==(const GpuMath&, const GpuMath&) = default;
};

/// What ops that the calling thread builds now will keep; the defaults, outside of every scope.
const GpuMath& current_gpu_math() noexcept;

/// While it lives, `math` is the calling thread's current one. Scopes nest. Without a GPU it changes nothing.
class GpuMathScope {
  public:
    explicit GpuMathScope(const GpuMath& math) noexcept;
    GpuMathScope(const GpuMathScope&) = delete;
    GpuMathScope& operator=(const GpuMathScope&) = delete;
    ~GpuMathScope();

  private:
    GpuMath before_;
};

}  // namespace firecaffe::ops
