// SPDX-License-Identifier: Apache-2.0
// The executor: runs one rank's part of a plan over a transport.
//
// A request is cut into chunks, and every step of the plan is run chunk by chunk, so that adding overlaps with
// receiving and a rank forwards what it has while the rest is still under way: the plan becomes a pipeline, and the
// order of the additions for each element stays the plan's.
//
// Schedule. A chunk belongs to that of the plan's parts in which it begins, and its depth counts from the first chunk
// of the part; so all parts advance together, as a ring or two trees need it. A chunk of depth d has in round r the
// time d + r. A rank finishes its pieces in the order of time, then of depth and part. All ranks know this order, and
// it is one order for the whole group; so a rank that blocks at a piece blocks only for pieces that are earlier, and
// there is no deadlock for any plan that simulate() passes. Ahead of the piece it waits for, it has posted the next
// receives (into a buffer, or into a slot that nothing else uses any more) and all sends whose data are ready (with
// kWholeRequest those of its round); elements are overwritten only after the sends that read them are complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "firecaffe/comm/collective/arithmetic.hpp"
#include "firecaffe/comm/collective/wire_type.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class Engine;

/// As chunk_bytes: no pipeline; each step is done before the next begins, as textbooks count.
inline constexpr std::size_t kWholeRequest = SIZE_MAX;

/// Must be equal on all ranks.
struct ExecutorOptions {
    std::size_t chunk_bytes = 256 * 1024;  ///< on the wire; rounded down to whole elements, at least one
    int receives_ahead = 6;                ///< receives under way at a time; as many chunks are buffered. At least 2.
    int sends_behind = 8;                  ///< sends that may be incomplete behind the piece that is waited for
};

class Executor {
  public:
    /// The transport and the arithmetic must outlive the executor. Throws UsageError for options out of range.
    explicit Executor(Transport& transport, ExecutorOptions options = {}, Arithmetic& arithmetic = host_arithmetic());
    ~Executor();
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;

    /// Runs this rank's steps of `plan`; returns when slots[0] holds the sum and no slot is in use. `slots` has
    /// plan.slots(rank) buffers of `count` elements, aligned to the element; the first plan.inputs[rank] hold the
    /// partial sums, and all of them are overwritten. They lie where the arithmetic adds. The executor fills in the
    /// tag's dtype, which is that on the wire, and its count.
    ///
    /// Throws UsageError if the arguments do not fit the plan or the transport: nothing was sent. Throws what the
    /// transport's wait throws (PeerLostError), and the arithmetic, after it has aborted the transport: a collective
    /// that stopped half-way cannot be repaired. One call at a time. Allocates nothing once it has seen the largest
    /// request; nor does a transport of this library for the host's memory, but that over MPI.
    void run(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, ElementTypes types,
             OperationTag tag);

    /// Memory held for the plan's scratch slots and for messages, in bytes. Zero until a plan has such slots, adds what
    /// it receives, or sends in a narrower type.
    std::size_t scratch_bytes() const;

  private:
    Transport& transport_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace firecaffe::comm
