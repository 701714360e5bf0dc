// SPDX-License-Identifier: Apache-2.0
// Channel: whole messages (message.hpp) over one non-blocking socket, for rendezvous and control.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "comm/transport/message.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

class Channel {
  public:
    Channel() = default;
    explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}

    int fd() const { return fd_.get(); }
    /// Events to poll for.
    short events() const;

    /// Queues a message and writes what the socket takes. Nothing happens on a closed channel.
    void send(MessageType type, const WireWriter& body = {}) { send(Message{type, body.bytes()}); }
    void send(const Message& message);
    void flush();
    bool flushed() const { return sent_ == out_.size(); }
    /// Says that nothing more will be sent, once all is out.
    void finish();

    /// The next message; reads what is there. Empty: nothing complete yet, or closed().
    std::optional<Message> next();

    /// The peer closed, the connection broke, or it sent what is no message. Messages before that are still given out.
    bool closed() const { return closed_; }
    const std::string& why_closed() const { return why_closed_; }
    void close(std::string why);

  private:
    bool fill();

    UniqueFd fd_;
    MessageReader in_;
    std::vector<std::byte> out_;
    std::size_t sent_ = 0;  // of out_
    bool end_ = false, closed_ = false, finishing_ = false, finished_ = false;
    std::string why_end_, why_closed_;
};

}  // namespace firecaffe::comm
