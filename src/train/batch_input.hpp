// SPDX-License-Identifier: Apache-2.0
// BatchInput: the way of batches into a net's inputs. On the Cpu they are copied. To a GPU they go from the loader's
// pinned memory, on a stream of their own, so that a batch travels while the one before is computed. Where the data set
// has bytes, these travel, and the GPU makes images of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "firecaffe/data/options.hpp"
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
    explicit BatchInput(const Dataset&) {}

    /// How a loader reads for `threads` of these.
    static PrefetchOptions reading(const DataOptions& options, std::int64_t threads) {
        return {.threads = options.threads, .depth = options.prefetch + threads};
    }

    /// Copies a batch into the net's inputs, converting to T. The batch, which is returned, can be read as long as the
    /// caller keeps it.
    BatchLease load(BatchLease batch, Net<T, Cpu>& net);
    void give_back() {}
};

template <class T>
class BatchInput<T, Cuda> {
  public:
    /// Of batches of this set, as bytes or as floats.
    explicit BatchInput(const Dataset& set) : transform_(set.pixel_transform()) {}

    /// How a loader reads for `threads` of these. Each holds a batch per slot while it waits for the next.
    static PrefetchOptions reading(const DataOptions& options, std::int64_t threads) {
        return {.threads = options.threads,
                .depth = options.prefetch + threads * static_cast<std::int64_t>(1 + kSlots),
                .bytes = true,
                .pinned = true};
    }

    /// Queues it: what is queued on the current stream afterwards finds the batch in the net's inputs. What is returned
    /// can be read until the next load.
    const Batch* load(BatchLease batch, Net<T, Cuda>& net);
    /// Gives all batches back, once none is read any more. To be called when their loader ends, whose memory they keep.
    void give_back();

  private:
    static constexpr std::size_t kSlots = 2;

    /// One of the batches that are on their way.
    struct Slot {
        std::optional<BatchLease> batch;
        Memory<Cpu> labels;    ///< as the net has them
        Memory<Cuda> arrived;  ///< bytes or floats, then the places, then the labels
        Event copied, consumed;
    };

    /// Queues the copy of a part of a batch to place `at` of what has arrived, and moves `at` behind it.
    template <class Part>
    std::span<const Part> send(const Part* from, std::size_t count, Slot& slot, std::size_t& at);
    void make_images(std::span<const std::uint8_t> bytes, std::span<const CropPlace> places, Net<T, Cuda>& net);

    PixelTransform transform_;
    Memory<Cuda> mean_;
    std::optional<Stream> stream_;
    std::array<std::optional<Slot>, kSlots> slots_;
    std::size_t turn_ = 0;
};

}  // namespace firecaffe
