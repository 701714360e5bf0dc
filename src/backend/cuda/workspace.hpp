// SPDX-License-Identifier: Apache-2.0
// Memory that an op needs while it runs and that holds nothing afterwards: one per stream, for all ops that run on it.
#pragma once

#include <cstddef>

namespace firecaffe::cuda {

/// At least `bytes` of the calling thread's current stream's work space, aligned to 256 bytes; null for zero bytes.
/// Valid until the same thread asks for more on the same stream. It grows in the first step, which waits for the
/// stream, and a step that is recorded as a graph must not be the first. Throws DeviceError.
void* workspace(std::size_t bytes);

}  // namespace firecaffe::cuda
