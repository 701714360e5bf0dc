// SPDX-License-Identifier: Apache-2.0
// BucketStage: where a Reducer finds the gradients of a device, and when they are complete. On the Cpu they are where
// they are. Those of a GPU stay there for a reducer that sums the GPU's memory; for others they go through pinned
// memory of the host, on a stream of their own, beside the backward pass.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// One thread at a time; on a GPU always one with the same current stream.
template <class Device>
class BucketStage;

template <>
class BucketStage<Cpu> {
  public:
    BucketStage(Reducer& reducer, std::size_t, std::size_t, std::size_t) : reducer_(reducer) {}

    Memory<Cpu> allocate(std::size_t bytes) { return reducer_.allocate(bytes); }
    std::byte* bring(std::size_t, std::byte* values, std::size_t, std::size_t) { return values; }
    const Event* ready(std::size_t) { return nullptr; }
    void take_back(std::byte*, std::size_t, std::size_t) {}

  private:
    Reducer& reducer_;
};

template <>
class BucketStage<Cuda> {
  public:
    /// `partials` of `bytes` each, cut into `buckets`. Asks nothing of a GPU before allocate().
    BucketStage(Reducer& reducer, std::size_t buckets, std::size_t partials, std::size_t bytes)
        : reducer_(reducer), staged_(!reducer.on_gpu() && reducer.size() > 1), buckets_(buckets), bytes_(bytes) {
        copies_.resize(staged_ ? partials : 0);
    }

    /// Memory for the gradients of a shard.
    Memory<Cuda> allocate(std::size_t bytes) {
        if (ready_.empty()) {
            for (std::size_t b = 0; b < buckets_; ++b) ready_.emplace_back();
            computed_.emplace();
            arrived_.emplace();
            stream_.emplace(Stream::Priority::high);
            for (Memory<Cpu>& copy : copies_) copy = pinned_memory(bytes_);
        }
        return reducer_.on_gpu() ? reducer_.allocate_on_gpu(bytes) : Memory<Cuda>(bytes);
    }

    /// Where the reducer finds partial sum number `partial` of what lies at `values`, `offset` bytes from the start of
    /// its arena, once ready() is reached.
    std::byte* bring(std::size_t partial, std::byte* values, std::size_t offset, std::size_t bytes) {
        if (!staged_) return values;
        std::byte* const copy = copies_.at(partial).data() + offset;
        computed_->record();
        stream_->after(*computed_);
        const StreamScope scope(*stream_);
        copy_bytes(values, Cuda{}, copy, Cpu{}, bytes);
        return copy;
    }

    /// After the last bring() of a bucket.
    const Event* ready(std::size_t bucket) {
        if (staged_)
            ready_[bucket].record(*stream_);
        else
            ready_[bucket].record();
        return &ready_[bucket];
    }

    /// The sum is where bring() said for partial 0; it goes back to `values`, where the current stream finds it.
    void take_back(std::byte* values, std::size_t offset, std::size_t bytes) {
        if (!staged_) return;
        {
            const StreamScope scope(*stream_);
            copy_bytes(copies_.front().data() + offset, Cpu{}, values, Cuda{}, bytes);
            arrived_->record();
        }
        queue_wait(*arrived_);
    }

  private:
    Reducer& reducer_;
    bool staged_;
    std::size_t buckets_, bytes_;
    std::vector<Memory<Cpu>> copies_;  ///< one per partial, as long as an arena
    std::vector<Event> ready_;         ///< per bucket
    std::optional<Event> computed_, arrived_;
    std::optional<Stream> stream_;
};

}  // namespace firecaffe
