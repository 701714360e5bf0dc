// SPDX-License-Identifier: Apache-2.0
// BatchInput: the way of batches into a net's inputs. On the Cpu they are copied. To a GPU they go over pinned memory
// and a stream of their own, so that a batch travels while the one before is computed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "firecaffe/data/prefetch.hpp"
#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/net/net.hpp"

namespace firecaffe {

/// Of one net; used by its thread.
template <class T, class Device>
class BatchInput;

template <class T>
class BatchInput<T, Cpu> {
  public:
    /// Copies a batch into the net's inputs, converting to T. The batch may be given back after it.
    void load(const Batch& batch, Net<T, Cpu>& net);
};

template <class T>
class BatchInput<T, Cuda> {
  public:
    /// Queues it: what is queued on the current stream afterwards finds the batch in the net's inputs. Returns when the
    /// batch has been read; it may be given back then.
    void load(const Batch& batch, Net<T, Cuda>& net);

  private:
    /// One of the two batches that are on their way.
    struct Slot {
        Memory<Cpu> host;      ///< pixels, then labels
        Memory<Cuda> arrived;  ///< the same
        Event copied, consumed;
    };

    std::optional<Stream> stream_;
    std::array<std::optional<Slot>, 2> slots_;
    std::size_t turn_ = 0;
};

}  // namespace firecaffe
