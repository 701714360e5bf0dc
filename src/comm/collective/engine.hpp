// SPDX-License-Identifier: Apache-2.0
// Engine: one rank's run of a plan as a state machine. It posts transfers and adds, and never waits and reads no clock:
// it says for which transfer it has to wait, and whoever drives it does. The executor drives one and blocks in
// Transport::wait; a simulation drives one per rank from a single thread, in virtual time. The schedule and what it
// guarantees are those of executor.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/collective/schedule.hpp"
#include "firecaffe/comm/collective/arithmetic.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/wire_type.hpp"

namespace firecaffe::comm {

/// What advance() came to: a transfer to wait for, an addition that was made, or neither, which is the end.
struct Progress {
    Transfer* awaited = nullptr;  ///< must be complete before the next call of advance()
    std::size_t added_bytes = 0;  ///< the work just done, for those who charge time for it

    bool done() const { return awaited == nullptr && added_bytes == 0; }
};

class Engine {
  public:
    /// The transport and the arithmetic must outlive the engine. Throws UsageError for options out of range.
    Engine(Transport& transport, ExecutorOptions options, Arithmetic& arithmetic = host_arithmetic());

    /// Begins a request; see Executor::run for the arguments, which must live until the end. Throws UsageError if they
    /// do not fit the plan or the transport. Sends nothing yet.
    void start(const Plan& plan, std::span<std::byte* const> slots, std::size_t count, ElementTypes types,
               OperationTag tag);
    /// As start(), without memory: buffers are null pointers and nothing is added, to learn how long it would take.
    void start_dry(const Plan& plan, std::size_t count, ElementTypes types, OperationTag tag);

    /// Goes on until it has to wait for a transfer, has made an addition, or is done. Throws what posting throws.
    Progress advance();

    /// Gives up a request, for which the transport is aborted. After this, no transfer refers to the caller's buffers
    /// or to scratch.
    void abandon(const char* reason);

    std::size_t scratch_bytes() const {
        return receive_buffers_.memory.bytes + send_buffers_.memory.bytes + slot_memory_.bytes;
    }

  private:
    // Where a slot lies: the element `first` of the request at `data`.
    struct Place {
        std::byte* data = nullptr;
        std::size_t first = 0;
    };

    // Pieces of a chunk each. Their memory may be such that a neighbour reads it directly.
    struct Buffers {
        Buffer memory;
        std::vector<int> free;
        std::size_t stride = 0;

        /// Says how many bytes `wanted` of them take.
        std::size_t prepare(int wanted, std::size_t chunk_bytes);
        int take();
        std::byte* operator[](int buffer) {
            return memory.data == nullptr ? nullptr : memory.data + static_cast<std::size_t>(buffer) * stride;
        }
    };

    void check(const Plan& plan, ElementTypes types) const;
    void begin(const Plan& plan, std::size_t count, ElementTypes types, const OperationTag& tag);
    void place_slots(const Plan& plan, std::span<std::byte* const> slots, std::size_t count);
    void reserve_buffers();

    void post_ahead();
    bool step_by_step() const;
    bool leaves_beside_head(const Piece& piece) const;
    bool can_post(const Piece& piece) const;
    void post(Piece& piece);
    void post_send(Piece& piece);
    bool is_buffered(const Piece& piece) const;
    Piece* obstacle(Piece& piece);
    std::size_t finish(Piece& piece);
    void settle(Piece& piece);
    bool all_sent(const Piece& piece) const;
    Piece& oldest_send();

    std::size_t bytes(const Piece& piece) const { return piece.elements() * size_of(types_.sum); }
    std::size_t wire_bytes(const Piece& piece) const { return piece.elements() * size_of(types_.wire); }
    std::byte* in_slot(const Piece& piece, int slot) const;
    const std::byte* received(const Piece& piece);
    void take_in(const Piece& piece);

    Transport& transport_;
    const ExecutorOptions options_;
    Arithmetic& arithmetic_;

    ElementTypes types_ = DType::float32;
    OperationTag tag_;
    std::size_t chunk_ = 1;  // elements
    bool dry_ = false;

    Schedule schedule_;
    std::vector<Place> slots_;
    Buffer slot_memory_;                          // of the plan's scratch slots
    Buffers receive_buffers_;                     // for what is not received into a slot
    Buffers send_buffers_;                        // for what is sent narrowed
    std::vector<std::uint64_t> channel_blocked_;  // the scan in which it was found blocked
    std::uint64_t scan_ = 0;
    int receives_posted_ = 0;
    std::size_t head_ = 0;  // the piece to be finished next
    bool looked_ahead_ = false;
    std::size_t first_unposted_ = 0;
    std::size_t oldest_send_ = 0;  // sends before this piece are complete
    int sends_behind_ = 0;         // posted sends between oldest_send_ and head_
    Piece* awaited_ = nullptr;
};

}  // namespace firecaffe::comm
