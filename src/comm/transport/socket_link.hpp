// SPDX-License-Identifier: Apache-2.0
// SocketLink: a link over a TCP connection, in frames (frame_stream.hpp). What nobody posted a receive for is left in
// the socket, so that TCP slows the sender down; all but what TLS has taken from it to look at whole records.
#pragma once

#include "comm/transport/connection.hpp"
#include "comm/transport/frame_stream.hpp"
#include "comm/transport/link.hpp"
#include "comm/transport/rate_limit.hpp"

namespace firecaffe::comm {

class SocketLink final : public Link {
  public:
    /// `limit`: of all this rank's links, which outlives them; null for none.
    SocketLink(Rank peer, Connection connection, RateLimit* limit = nullptr)
        : Link(peer), connection_(std::move(connection)), limit_(limit) {}

    int queued() const override { return sender_.size() + receiver_.size(); }
    void push(DataTransfer& transfer) override { transfer.sends ? sender_.push(transfer) : receiver_.push(transfer); }
    void remove(const DataTransfer& transfer) override {
        transfer.sends ? sender_.remove(transfer) : receiver_.remove(transfer);
    }

    int fd() const override { return connection_.fd(); }
    std::uint32_t wanted_events() const override;
    void close() override { connection_.close(); }
    bool holds_input() const override {
        return !receiver_.empty() && connection_.holds_input() && allowance(RateLimit::kIn) > 0;
    }
    bool prepare_to_sleep() override { return broken() || !holds_input(); }

  private:
    std::optional<LinkFault> move(std::size_t budget, Traffic& moved) override;
    std::optional<LinkFault> send_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);
    std::size_t allowance(RateLimit::Way way) const;
    std::size_t count(RateLimit::Way way, const Connection::Moved& step, std::uint64_t& bytes);
    LinkFault fault(const Connection::Moved& last) const;

    Connection connection_;
    RateLimit* const limit_;
    FrameSender sender_;
    FrameReceiver receiver_;
};

}  // namespace firecaffe::comm
