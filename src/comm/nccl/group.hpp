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
// A GPU's memory needs two more things here: a stream, which begin_sum hands to NCCL, and an event behind the sum,
// which `complete` in group.cpp asks as well before it calls a sum complete.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "comm/nccl/call_thread.hpp"
#include "comm/nccl/library.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/error.hpp"

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

/// Used by one thread at a time. What was begun must be complete before the next is begun.
class NcclGroup {
  public:
    explicit NcclGroup(NcclLibrary library);
    /// Aborts what is not left, and waits a moment for it.
    ~NcclGroup();
    NcclGroup(const NcclGroup&) = delete;
    NcclGroup& operator=(const NcclGroup&) = delete;

    /// "NCCL 2.28.9"
    const std::string& library_name() const;

    /// Makes an id, by which the ranks of a communicator find each other.
    void begin_id();
    const nccl::UniqueId& id() const;  ///< of a completed begin_id()

    void begin_joining(const nccl::UniqueId& id, int rank, int size);
    /// In place. `values` must stay until the sum is complete or abort() has returned true.
    void begin_sum(std::byte* values, std::size_t count, DType dtype);
    /// All ranks; ends the communicator.
    void begin_leaving();

    /// True when what was begun is complete, false when the time is over before. Throws NcclError, after which abort()
    /// is all that is left to do.
    bool wait(std::chrono::duration<double> patience);

    /// Ends the communicator, whatever is under way in it, and one that a call yet to return will make. False: a call
    /// into NCCL has not returned within `patience`, and its thread is left behind; then NCCL may still use the memory
    /// of a sum. May be repeated.
    bool abort(std::chrono::duration<double> patience) noexcept;

  private:
    struct Session;
    std::shared_ptr<Session> session_;
    CallThread calls_;
    bool stuck_ = false;  // a call was left behind
};

}  // namespace firecaffe::comm
