// SPDX-License-Identifier: Apache-2.0
// Link: the data connection to one rank: frames (frame_stream.hpp) in both directions over one socket; never blocks.
// What nobody posted a receive for is left in the socket, so that TCP slows the sender down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "comm/transport/frame_stream.hpp"
#include "comm/transport/socket.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class DataPlane;

class TcpTransfer final : public FramedTransfer {
  public:
    TcpTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<const std::byte> to_send)
        : FramedTransfer(with, what, to_send), plane(owner) {}
    TcpTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<std::byte> to_fill)
        : FramedTransfer(with, what, to_fill), plane(owner) {}
    ~TcpTransfer() override;

    DataPlane& plane;
};

class Link {
  public:
    Link() = default;
    Link(Rank peer, UniqueFd fd) : peer_(peer), fd_(std::move(fd)) {}

    Rank peer() const { return peer_; }
    int fd() const { return fd_.get(); }
    int queued() const { return sender_.size() + receiver_.size(); }
    std::uint32_t wanted_events() const;  // of epoll

    void push(TcpTransfer& transfer);
    void remove(const TcpTransfer& transfer);

    /// Moves at most about `budget` bytes each way; `bytes_in` and `bytes_out` are increased by what moved.
    std::optional<LinkFault> advance(std::size_t budget, std::uint64_t& bytes_in, std::uint64_t& bytes_out);
    /// After a fault: nothing moves any more.
    void break_off() { broken_ = true; }
    void close() { fd_.reset(); }

    std::uint32_t registered_events = 0;  // what epoll knows, kept by the owner

  private:
    std::optional<LinkFault> send_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);

    Rank peer_ = -1;
    UniqueFd fd_;
    FrameSender sender_;
    FrameReceiver receiver_;
    bool broken_ = false;
};

}  // namespace firecaffe::comm
