// SPDX-License-Identifier: Apache-2.0
// The one place where a collective does arithmetic.
#pragma once

#include <cstddef>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::comm {

/// slot[i] = slot[i] + incoming[i] for i < count: one rounding per element, in IEEE arithmetic of that type, so that
/// the bits do not depend on vector width. Both are aligned to the element and do not overlap; count may be 0.
/// Throws UsageError unless dtype is float32 or float64.
void add_elements(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count);

}  // namespace firecaffe::comm
