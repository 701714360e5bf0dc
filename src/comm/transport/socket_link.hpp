// SPDX-License-Identifier: Apache-2.0
// SocketLink: a link over a TCP connection, in frames (frame.hpp). What nobody posted a receive for is left in the
// socket, so that TCP slows the sender down.
#pragma once

#include "comm/transport/frame.hpp"
#include "comm/transport/link.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

class SocketLink final : public Link {
  public:
    SocketLink(Rank peer, UniqueFd fd) : Link(peer), fd_(std::move(fd)) {}

    int fd() const override { return fd_.get(); }
    std::uint32_t wanted_events() const override;
    void close() override { fd_.reset(); }

  private:
    struct FrameState {
        FrameHeaderBytes header{};
        std::size_t header_bytes = 0;   // of the header, moved so far
        std::size_t payload_bytes = 0;  // of this frame's payload, moved so far
        std::uint32_t payload_crc = 0;
        std::uint32_t index = 0;  // number of this frame
        bool open = false;        // sending: the header is made; receiving: the header was checked
    };

    std::optional<LinkFault> move(std::size_t budget, Traffic& moved) override;
    std::optional<LinkFault> send_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> check_header(const DataTransfer& transfer);

    UniqueFd fd_;
    FrameState sending_, receiving_;
    std::uint32_t incoming_payload_crc_ = 0;
};

}  // namespace firecaffe::comm
