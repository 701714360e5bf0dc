// SPDX-License-Identifier: Apache-2.0
// Messages of rendezvous and control as bytes: length[4] | type[1] | body[length] | checksum of type and body[4]. No
// I/O in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

/// Appends the message to a stream of bytes.
void append(std::vector<std::byte>& stream, const Message& message);

/// Finds the messages in a stream of bytes that comes in pieces.
class MessageReader {
  public:
    /// Where up to `bytes` more bytes of the stream may be put; filled() says how many came.
    std::span<std::byte> room(std::size_t bytes);
    void filled(std::size_t bytes);

    /// The next message, once it is complete and its checksum is right.
    std::optional<Message> next();
    /// What is wrong with the stream: nothing can be read after it. Empty: nothing is.
    const std::string& damage() const { return damage_; }

  private:
    std::vector<std::byte> bytes_;
    std::size_t taken_ = 0, end_ = 0;  // what of bytes_ was given out, and what is filled
    std::string damage_;
};

}  // namespace firecaffe::comm
