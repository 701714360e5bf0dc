// SPDX-License-Identifier: Apache-2.0
// Arithmetic: where the buffers of a collective lie, and what adds there: the host, or a GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::comm {

/// Memory of any device, kept as long as `owner`.
struct Buffer {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::shared_ptr<void> owner;
};

/// One thread at a time. What is begun runs in order, and is over when complete() has returned; addresses are those of
/// the device, and all functions throw what it throws.
class Arithmetic {
  public:
    virtual ~Arithmetic() = default;
    /// Zero-filled.
    virtual Buffer allocate(std::size_t bytes) = 0;
    /// As add_elements.
    virtual void add(DType dtype, std::byte* slot, const std::byte* incoming, std::size_t count) = 0;
    /// Zeros.
    virtual void clear(std::byte* data, std::size_t bytes) = 0;
    /// Returns when all that was begun is done.
    virtual void complete() = 0;
    /// After a failure: returns when nothing that was begun touches memory any more.
    virtual void abandon() noexcept = 0;
    /// Whether the host can read it, so that elements can travel in a narrower type (wire_type.hpp).
    virtual bool narrows() const = 0;
};

/// That of the host's memory, where all is done at once. It has no state.
Arithmetic& host_arithmetic();

}  // namespace firecaffe::comm
