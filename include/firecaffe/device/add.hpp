// SPDX-License-Identifier: Apache-2.0
// The one sum that is made below `ops`: of partial sums in a GPU's memory, by those who know bytes and ranks only.
#pragma once

#include <cstddef>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe {

/// Queues `to[i] += from[i]` for `count` elements on the calling thread's current stream. Each is one addition, rounded
/// as IEEE says, so that a tree of them has the bits that it has on the CPU. Both ends are memory that the thread's GPU
/// can reach, that of another GPU or process included, aligned to their elements and valid until it has run; they are
/// the same memory or do not overlap. Throws UsageError unless `dtype` is float32 or float64; DeviceError. No elements
/// are an ordinary count.
void queue_add(void* to, const void* from, std::size_t count, DType dtype, Cuda);

}  // namespace firecaffe
