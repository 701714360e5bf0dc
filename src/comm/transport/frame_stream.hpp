// SPDX-License-Identifier: Apache-2.0
// Transfers as frames of a byte stream: what to write next, and what the bytes that were read mean. No I/O in here: a
// link moves the bytes over a socket, a simulation over connections of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "comm/transport/frame.hpp"
#include "comm/transport/transfer_memory.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// A transfer that travels as frames: one end of it.
class FramedTransfer : public PooledTransfer {
  public:
    FramedTransfer(Rank with, const OperationTag& what, std::span<const std::byte> to_send)
        : peer(with), sends(true), tag(what), out(to_send.data()), length(to_send.size()) {}
    FramedTransfer(Rank with, const OperationTag& what, std::span<std::byte> to_fill)
        : peer(with), sends(false), tag(what), in(to_fill.data()), length(to_fill.size()) {}
    FramedTransfer(const FramedTransfer&) = delete;
    FramedTransfer& operator=(const FramedTransfer&) = delete;

    Rank peer;
    bool sends;
    OperationTag tag;
    std::byte* in = nullptr;         // where a receive lands
    const std::byte* out = nullptr;  // what is sent
    std::size_t length;
    std::size_t moved = 0;  // bytes of complete frames
    bool done = false;
    FramedTransfer* next = nullptr;  // in its queue
};

struct LinkFault {
    std::string why;
    bool certain = false;  // see Watch::report
};

/// What both directions keep: the transfers in the order in which they were posted, linked through themselves so that
/// posting allocates nothing, and how far the frame under way is.
class FrameQueue {
  public:
    bool empty() const { return first_ == nullptr; }
    int size() const { return size_; }
    void push(FramedTransfer& transfer);
    /// Nothing happens if it is not there.
    void remove(const FramedTransfer& transfer);

  protected:
    FramedTransfer& front() const { return *first_; }
    std::size_t chunk() const;  // bytes of payload in the frame under way
    std::size_t count(std::size_t bytes);
    void end_frame();

    FrameHeaderBytes header_{};
    std::size_t header_bytes_ = 0;   // of the header, moved so far
    std::size_t payload_bytes_ = 0;  // of this frame's payload, moved so far
    std::uint32_t index_ = 0;        // number of this frame
    bool open_ = false;              // sending: the header is made; receiving: the header was checked

  private:
    FramedTransfer* first_ = nullptr;
    FramedTransfer* last_ = nullptr;
    int size_ = 0;
};

class FrameSender : public FrameQueue {
  public:
    struct Rest {
        std::span<const std::byte> header, payload;
    };
    /// What remains to be written of the frame under way. Only if not empty().
    Rest rest();
    /// The first `bytes` of rest() were written.
    void wrote(std::size_t bytes);
};

class FrameReceiver : public FrameQueue {
  public:
    struct Rest {
        std::span<std::byte> header, payload;
    };
    /// Where to read to: header and payload at once, because the receive says how long it is. Only if not empty(): what
    /// nobody posted a receive for is to be left where it is, so that its sender is slowed down.
    Rest rest();
    /// The first `bytes` of rest() were read. A fault, if the bytes are damaged or another operation's: then nothing
    /// can be read any more.
    std::optional<LinkFault> read(std::size_t bytes);

  private:
    std::optional<LinkFault> check_header();

    std::uint32_t payload_crc_ = 0, expected_crc_ = 0;
};

}  // namespace firecaffe::comm
