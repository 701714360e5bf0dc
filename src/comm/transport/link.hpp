// SPDX-License-Identifier: Apache-2.0
// Link: the data connection to one rank, over a socket (socket_link.hpp) or through shared memory (shared_link.hpp).
// Queues of transfers and what is under way in each direction; never blocks. What nobody posted a receive for stays
// where it is, so that the sender is slowed down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "comm/transport/framed_transfer.hpp"
#include "comm/transport/link_fault.hpp"

namespace firecaffe::comm {

class DataPlane;

class DataTransfer final : public FramedTransfer {
  public:
    DataTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<const std::byte> to_send)
        : FramedTransfer(with, what, to_send), plane(owner) {}
    DataTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<std::byte> to_fill, bool may_borrow)
        : FramedTransfer(with, what, to_fill), plane(owner), borrows(may_borrow) {}
    ~DataTransfer() override;

    const std::byte* borrowed() const override { return loan; }

    DataPlane& plane;
    bool borrows = false;             // the bytes may stay where the peer has put them
    const std::byte* loan = nullptr;  // where borrowed bytes lie, until the transfer is destroyed
    std::uint64_t frame = 0;          // the frame that holds them
};

/// Bytes that moved, frames' headers included.
struct Traffic {
    std::uint64_t in = 0, out = 0;
};

class Link {
  public:
    explicit Link(Rank peer) : peer_(peer) {}
    virtual ~Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    Rank peer() const { return peer_; }
    /// Transfers that are posted and not complete.
    virtual int queued() const = 0;
    virtual void push(DataTransfer& transfer) = 0;
    /// Nothing happens if it is not there.
    virtual void remove(const DataTransfer& transfer) = 0;

    /// Moves at most about `budget` bytes each way.
    std::optional<LinkFault> advance(std::size_t budget, Traffic& moved) {
        return broken_ ? std::nullopt : move(budget, moved);
    }
    /// After a fault: nothing moves any more.
    void break_off() { broken_ = true; }
    virtual void close() = 0;

    /// The descriptor and the events of epoll that tell of something to do.
    virtual int fd() const = 0;
    virtual std::uint32_t wanted_events() const = 0;
    /// Such an event has come; advance() follows.
    virtual void notice() {}
    std::uint32_t registered_events = 0;  // what epoll knows, kept by the owner

    /// True if advance() sees what the peer has done without a system call, so that it is worth looking often.
    virtual bool in_memory() const { return false; }
    /// True if bytes for a posted receive have come that lie here, so that no event will tell of them.
    virtual bool holds_input() const { return false; }
    /// The owner is going to wait for events. False: there is something to do already.
    virtual bool prepare_to_sleep() { return true; }
    virtual void wake_up() {}
    /// The reader of transfer.loan is done with it.
    virtual void give_back(const DataTransfer&) {}

  protected:
    virtual std::optional<LinkFault> move(std::size_t budget, Traffic& moved) = 0;
    bool broken() const { return broken_; }

  private:
    Rank peer_;
    bool broken_ = false;
};

}  // namespace firecaffe::comm
