// SPDX-License-Identifier: Apache-2.0
// Channel: whole messages over one non-blocking socket, for rendezvous and control. A message is
// length[4] | type[1] | body[length] | CRC32C of type and body[4].
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/transport/socket.hpp"
#include "comm/transport/wire.hpp"

namespace firecaffe::comm {

enum class MessageType : std::uint8_t {
    // rendezvous
    info = 1,
    refuse,
    table,
    ready,
    go,
    // control
    pulse = 16,
    verdict,
    gave_up,
    blame,
    goodbye,
    goodbye_all,
};

struct Message {
    MessageType type;
    std::vector<std::byte> body;
};

class Channel {
  public:
    Channel() = default;
    explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}

    int fd() const { return fd_.get(); }
    /// Events to poll for.
    short events() const;

    /// Queues a message and writes what the socket takes. Nothing happens on a closed channel.
    void send(MessageType type, const WireWriter& body = {});
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
    std::vector<std::byte> in_, out_;
    std::size_t taken_ = 0, sent_ = 0;  // of in_ and out_
    bool end_ = false, closed_ = false, finishing_ = false, finished_ = false;
    std::string why_end_, why_closed_;
};

}  // namespace firecaffe::comm
