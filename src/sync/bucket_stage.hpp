// SPDX-License-Identifier: Apache-2.0
// BucketStage: memory for gradients on a device, and when a bucket of them is complete. On the Cpu that is at once; on
// a GPU it is a point in its work, because what the exchange is told to be ready has only been queued.
#pragma once

#include <cstddef>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// One thread at a time; on a GPU always one with the same current stream.
template <class Device>
class BucketStage;

template <>
class BucketStage<Cpu> {
  public:
    BucketStage(Reducer& reducer, std::size_t) : reducer_(reducer) {}

    Memory<Cpu> allocate(std::size_t bytes) { return reducer_.allocate(bytes); }
    const Event* ready(std::size_t) { return nullptr; }

  private:
    Reducer& reducer_;
};

template <>
class BucketStage<Cuda> {
  public:
    /// Asks nothing of a GPU. Throws UsageError for a reducer of the host's memory, unless there is nothing to sum.
    BucketStage(Reducer& reducer, std::size_t buckets) : reducer_(reducer), buckets_(buckets) {
        if (!reducer.on_gpu() && reducer.size() > 1)
            throw UsageError("reducer '", reducer.name(), "' sums the host's memory, but the gradients are on a GPU; ",
                             "make it with ReducerOptions::on_gpu");
    }

    Memory<Cuda> allocate(std::size_t bytes) {
        while (ready_.size() < buckets_) ready_.emplace_back();
        return reducer_.on_gpu() ? reducer_.allocate_on_gpu(bytes) : Memory<Cuda>(bytes);
    }
    /// What the current stream has been given so far is all that the sum of this bucket needs. After allocate().
    const Event* ready(std::size_t bucket) {
        ready_[bucket].record();
        return &ready_[bucket];
    }

  private:
    Reducer& reducer_;
    std::size_t buckets_;
    std::vector<Event> ready_;  ///< per bucket
};

}  // namespace firecaffe
