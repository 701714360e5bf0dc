// SPDX-License-Identifier: Apache-2.0
// Where a reducer sums while it is measured: this rank's elements, and a buffer beside them that is summed, in the
// memory of the host or of a GPU.
#pragma once

#include <cstddef>
#include <memory>

#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe::bench {

/// Used by one thread.
class Place {
  public:
    virtual ~Place() = default;

    /// Takes over the elements from the host's memory.
    virtual void load(const std::byte* elements, std::size_t bytes) = 0;
    /// Copies them to the buffer. On a GPU that may be under way until ready().
    virtual void copy_input(std::size_t bytes) = 0;
    /// The buffer's content, in the host's memory: `scratch`, or the buffer itself.
    virtual const std::byte* result(std::byte* scratch, std::size_t bytes) = 0;

    virtual std::byte* buffer() const = 0;
    /// An element of zero, of either type, that is summed as a barrier.
    virtual std::byte* barrier() const = 0;
    /// When the buffer is complete; null: it is.
    virtual const Event* ready() const = 0;
};

/// The buffer is of the reducer's memory. Both throw UsageError or DeviceError if it does not fit.
std::unique_ptr<Place> place_on_host(Reducer& reducer, std::size_t bytes);
std::unique_ptr<Place> place_on_gpu(Reducer& reducer, std::size_t bytes);

}  // namespace firecaffe::bench
