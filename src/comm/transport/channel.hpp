// SPDX-License-Identifier: Apache-2.0
// Channel: whole messages (message.hpp) over one connection, for rendezvous and control.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "comm/transport/connection.hpp"
#include "comm/transport/message.hpp"

namespace firecaffe::comm {

class Channel {
  public:
    Channel() = default;
    explicit Channel(Connection connection) : connection_(std::move(connection)) {}

    int fd() const { return connection_.fd(); }
    Encryption encryption() const { return connection_.encryption(); }
    /// Events to poll for.
    short events() const;

    /// Queues a message and writes what the connection takes. Nothing happens on a closed channel.
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

    Connection connection_;
    MessageReader in_;
    std::vector<std::byte> out_;
    std::size_t sent_ = 0;  // of out_
    bool end_ = false, closed_ = false, finishing_ = false, finished_ = false;
    std::string why_end_, why_closed_;
};

}  // namespace firecaffe::comm
