// SPDX-License-Identifier: Apache-2.0
// Reducer: sums buckets over all ranks, in place. Two verbs: submit, wait. Some can also gather.
//
// Every rank submits the same buckets in the same order. A rank brings one or several partial sums per bucket: the
// maximal subtrees of the canonical tree over shards that it owns (comm/collective/shard_tree.hpp); with one shard per
// rank, or a power-of-two block of shards each, that is one. After wait(), partials[0] holds the sum on every rank; the
// other partials hold scratch.
//
//   right:  t0 = r.submit(b0); t1 = r.submit(b1); r.wait(t0); use b0; r.wait(t1); use b1;
//   wrong:  r.submit(b0); read b0 before wait -> torn sums.
//   wrong:  rank 0 submits b0, b1 and rank 1 submits b1, b0 -> PeerLostError on both, naming the two buckets.
//
// Threads: submit and wait are called by one thread at a time, not always the same one (the math thread that completes
// a bucket submits it). A ticket may be waited for more than once. A Reducer returns the SUM; means are made in `sync`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/device/memory.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe {

/// A matrix in a bucket, row after row.
struct MatrixPlace {
    std::size_t begin = 0;  ///< its first element
    std::size_t rows = 0, columns = 0;
    std::size_t end() const { return begin + rows * columns; }
};

/// One bucket to be summed. The memory stays the caller's and may not be touched until wait() returns.
struct ReduceRequest {
    std::uint32_t bucket = 0;      ///< for messages and the check of order
    std::uint32_t step = 0;        ///< for messages
    DType dtype = DType::float32;  ///< float32 or float64
    /// The sum is wanted as exactly as floating point has it. False: gradients, which a reducer may round on the way.
    bool exact = true;
    std::size_t count = 0;                   ///< elements of each partial
    std::span<std::byte* const> partials{};  ///< this rank's partial sums, left to right; the pointers are copied
    /// Of reducers with on_gpu(). Not null: the partials are complete when this point in a GPU's work is reached, and not
    /// before. It must stay until wait() returns, and is not recorded again meanwhile.
    const Event* ready = nullptr;
    /// Matrices that the bucket holds, ascending, for reducers that make use of it; what lies beside them is anything.
    /// Equal on all ranks. They stay the caller's as the memory does.
    std::span<const MatrixPlace> matrices{};
    /// Not zero: nothing is summed, but gathered; for reducers with gathers(). The elements are then as many equal
    /// parts as this says, one per shard. A rank brings those of its shard_block(), in their places in partials[0], its
    /// only one, and ends with all of them.
    int gathered_shards = 0;
};

using Ticket = std::uint64_t;

/// Totals since construction.
struct ReducerStatistics {
    std::uint64_t requests = 0;
    std::uint64_t bytes_reduced = 0;  ///< sum of count * size_of(dtype)
    std::uint64_t bytes_sent = 0;     ///< on the wire, by this rank
    double busy_seconds = 0.0;        ///< time in which at least one request was being worked on
    /// With a codec: |what this rank kept back| / |what there was to send|, Euclidean, the mean over requests.
    double kept_back = 0.0;
    std::string schemes;  ///< of a reducer that chooses: what it has chosen so far, in words
};

class Reducer {
  public:
    virtual ~Reducer() = default;
    virtual std::string_view name() const = 0;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    /// True if the result has the same bits for every number of ranks.
    virtual bool canonical() const = 0;
    /// True if it treats all requests as exact ones; else it rounds those that allow it (ReduceRequest::exact).
    virtual bool exact() const { return true; }
    /// True if it takes requests with gathered_shards.
    virtual bool gathers() const { return false; }
    /// True if it sums memory of the GPU that the thread used which made it: partials are there then, and come from
    /// allocate_on_gpu(). False: they are in the host's memory.
    virtual bool on_gpu() const { return false; }

    /// Starts the sum; returns at once. Throws PeerLostError if an earlier request already failed.
    virtual Ticket submit(const ReduceRequest& request) = 0;
    /// Blocks until the request of this ticket is done (on a GPU, by one worker: make_local_reducer_on_gpu). Throws
    /// PeerLostError naming rank, host, bucket and step.
    virtual void wait(Ticket ticket) = 0;
    /// wait(submit(request)) in one, which may save a change of thread.
    virtual void sum(const ReduceRequest& request) { wait(submit(request)); }

    /// Memory to keep partial sums in: what is summed there may need fewer copies (comm::Transport::allocate).
    /// Zero-filled; may outlive the reducer. After a failure, free it or leave it as it is. Any thread. Throws what
    /// comm::Transport::allocate throws.
    virtual Memory<Cpu> allocate(std::size_t bytes) { return Memory<Cpu>(bytes); }
    /// The same on the GPU, for reducers with on_gpu(). Throws DeviceError.
    virtual Memory<Cuda> allocate_on_gpu(std::size_t bytes) { return Memory<Cuda>(bytes); }

    /// This rank is alive and advancing; called by whoever computes. Any thread.
    virtual void note_progress() noexcept {}
    /// Orderly end on all ranks. Never throws.
    virtual void close() noexcept {}
    /// Tells the other ranks why this one gives up. Never throws.
    virtual void abort(std::string_view) noexcept {}
    virtual ReducerStatistics statistics() const { return {}; }
};

}  // namespace firecaffe
