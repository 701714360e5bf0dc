// SPDX-License-Identifier: Apache-2.0
// SocketLink: a link over a TCP connection, in frames (frame_stream.hpp). What nobody posted a receive for is left in
// the socket, so that TCP slows the sender down.
#pragma once

#include "comm/transport/frame_stream.hpp"
#include "comm/transport/link.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

class SocketLink final : public Link {
  public:
    SocketLink(Rank peer, UniqueFd fd) : Link(peer), fd_(std::move(fd)) {}

    int queued() const override { return sender_.size() + receiver_.size(); }
    void push(DataTransfer& transfer) override { transfer.sends ? sender_.push(transfer) : receiver_.push(transfer); }
    void remove(const DataTransfer& transfer) override {
        transfer.sends ? sender_.remove(transfer) : receiver_.remove(transfer);
    }

    int fd() const override { return fd_.get(); }
    std::uint32_t wanted_events() const override;
    void close() override { fd_.reset(); }

  private:
    std::optional<LinkFault> move(std::size_t budget, Traffic& moved) override;
    std::optional<LinkFault> send_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);

    UniqueFd fd_;
    FrameSender sender_;
    FrameReceiver receiver_;
};

}  // namespace firecaffe::comm
