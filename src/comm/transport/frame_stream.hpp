// SPDX-License-Identifier: Apache-2.0
// Transfers as frames of a byte stream: what to write next, and what the bytes that were read mean. No I/O in here: a
// link moves the bytes over a socket, a simulation over connections of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "comm/transport/frame.hpp"
#include "comm/transport/framed_transfer.hpp"
#include "comm/transport/link_fault.hpp"

namespace firecaffe::comm {

/// What both directions keep: the transfers that are posted, and how far the frame under way is.
class FrameQueue : public TransferQueue {
  protected:
    std::size_t chunk() const;  // bytes of payload in the frame under way
    std::size_t count(std::size_t bytes);
    void end_frame();

    FrameHeaderBytes header_{};
    std::size_t header_bytes_ = 0;   // of the header, moved so far
    std::size_t payload_bytes_ = 0;  // of this frame's payload, moved so far
    std::uint32_t index_ = 0;        // number of this frame
    bool open_ = false;              // sending: the header is made; receiving: the header was checked
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

    RunningChecksum payload_sum_;
    std::uint64_t expected_sum_ = 0;
};

}  // namespace firecaffe::comm
