// SPDX-License-Identifier: Apache-2.0
// NcclGroup: one rank's part in an NCCL communicator. Every call into NCCL is made by a thread of the group, because
// any of them may hang; who uses the group waits for that thread, as long as it likes, and may abort the communicator
// from a second thread meanwhile.
//
//   group.begin_id(); wait...                          // rank 0; the id goes to the others by other means
//   group.begin_joining(id, rank, size); wait...
//   group.begin_sum(...); wait...                      // any number of times
//   group.begin_leaving(); wait...
//
// On a GPU a sum is queued on a stream of the group's own, of high priority, so that it starts beside computation that
// came before it. It is complete when an event behind it is reached, and meanwhile NCCL is asked for errors.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "comm/nccl/call_thread.hpp"
#include "comm/nccl/library.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/stream.hpp"

namespace firecaffe::comm {

/// NCCL has answered with an error.
class NcclError : public PeerLostError {
  public:
    template <class... Parts>
    explicit NcclError(bool of_another_rank, const Parts&... parts)
        : PeerLostError(parts...), of_another_rank_(of_another_rank) {}

    /// By NCCL's account the cause is another rank, or the way to it.
    bool of_another_rank() const { return of_another_rank_; }

  private:
    bool of_another_rank_;
};

/// What one rank brings to a sum.
struct NcclSum {
    std::byte* values = nullptr;  ///< `count` elements, and the sum afterwards
    std::size_t count = 0;
    DType dtype = DType::float32;
    // What follows is for memory of a GPU.
    std::vector<std::byte*> others{};  ///< added to `values` first, in this order
    bool zeros = false;                ///< `values` count as zeros, whatever is there
    const Event* ready = nullptr;      ///< not null: nothing is read before it is reached
};

/// Used by one thread at a time. What was begun must be complete before the next is begun.
class NcclGroup {
  public:
    /// `gpu` is the number of the GPU whose memory is summed; kHostMemory with a library that sums the host's.
    NcclGroup(NcclLibrary library, int gpu);
    /// Aborts what is not left, and waits a moment for it.
    ~NcclGroup();
    NcclGroup(const NcclGroup&) = delete;
    NcclGroup& operator=(const NcclGroup&) = delete;

    static constexpr int kHostMemory = -1;

    /// "NCCL 2.28.9"
    const std::string& library_name() const;

    /// Makes an id, by which the ranks of a communicator find each other.
    void begin_id();
    const nccl::UniqueId& id() const;  ///< of a completed begin_id()

    void begin_joining(const nccl::UniqueId& id, int rank, int size);
    /// In place. Its memory must stay until the sum is complete or abort() has returned true, and its event too.
    void begin_sum(NcclSum sum);
    /// All ranks; ends the communicator.
    void begin_leaving();

    /// True when what was begun is complete, false when the time is over before. Throws NcclError, or DeviceError for
    /// what a GPU answers, after which abort() is all that is left to do.
    bool wait(std::chrono::duration<double> patience);

    /// Ends the communicator, whatever is under way in it, and one that a call yet to return will make. False: a call
    /// into NCCL has not returned within `patience`, or a GPU is not done with what it was given, and a thread is left
    /// behind; then NCCL may still use the memory of a sum. May be repeated.
    bool abort(std::chrono::duration<double> patience) noexcept;

  private:
    struct Session;
    std::shared_ptr<Session> session_;
    CallThread calls_;
    bool stuck_ = false;  // a call was left behind
};

}  // namespace firecaffe::comm
