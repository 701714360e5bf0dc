// SPDX-License-Identifier: Apache-2.0
// Link: the data connection to one rank. Two queues of transfers and the state of the frame under way in each
// direction; never blocks. What nobody posted a receive for is left in the socket, so that TCP slows the sender down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "comm/transport/frame.hpp"
#include "comm/transport/socket.hpp"
#include "comm/transport/transfer_memory.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class DataPlane;

class TcpTransfer final : public PooledTransfer {
  public:
    TcpTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<const std::byte> to_send)
        : plane(owner), peer(with), sends(true), tag(what), out(to_send.data()), length(to_send.size()) {}
    TcpTransfer(DataPlane& owner, Rank with, const OperationTag& what, std::span<std::byte> to_fill)
        : plane(owner), peer(with), sends(false), tag(what), in(to_fill.data()), length(to_fill.size()) {}
    ~TcpTransfer() override;
    TcpTransfer(const TcpTransfer&) = delete;
    TcpTransfer& operator=(const TcpTransfer&) = delete;

    DataPlane& plane;
    Rank peer;
    bool sends;
    OperationTag tag;
    std::byte* in = nullptr;         // where a receive lands
    const std::byte* out = nullptr;  // what is sent
    std::size_t length;
    std::size_t moved = 0;  // bytes of complete frames
    bool done = false;
    TcpTransfer* next = nullptr;  // in the queue of its link
};

/// Transfers in the order in which they were posted, linked through themselves: posting allocates nothing.
class TransferQueue {
  public:
    bool empty() const { return first_ == nullptr; }
    int size() const { return size_; }
    TcpTransfer& front() const { return *first_; }
    void push_back(TcpTransfer& transfer);
    void pop_front() { remove(*first_); }
    /// Nothing happens if it is not there.
    void remove(const TcpTransfer& transfer);

  private:
    TcpTransfer* first_ = nullptr;
    TcpTransfer* last_ = nullptr;
    int size_ = 0;
};

struct LinkFault {
    std::string why;
    bool certain = false;  // see Watch::report
};

class Link {
  public:
    Link() = default;
    Link(Rank peer, UniqueFd fd) : peer_(peer), fd_(std::move(fd)) {}

    Rank peer() const { return peer_; }
    int fd() const { return fd_.get(); }
    int queued() const { return sends_.size() + receives_.size(); }
    std::uint32_t wanted_events() const;  // of epoll

    void push(TcpTransfer& transfer) { (transfer.sends ? sends_ : receives_).push_back(transfer); }
    void remove(const TcpTransfer& transfer) { (transfer.sends ? sends_ : receives_).remove(transfer); }

    /// Moves at most about `budget` bytes each way; `bytes_in` and `bytes_out` are increased by what moved.
    std::optional<LinkFault> advance(std::size_t budget, std::uint64_t& bytes_in, std::uint64_t& bytes_out);
    /// After a fault: nothing moves any more.
    void break_off() { broken_ = true; }
    void close() { fd_.reset(); }

    std::uint32_t registered_events = 0;  // what epoll knows, kept by the owner

  private:
    struct FrameState {
        FrameHeaderBytes header{};
        std::size_t header_bytes = 0;   // of the header, moved so far
        std::size_t payload_bytes = 0;  // of this frame's payload, moved so far
        std::uint32_t payload_crc = 0;
        std::uint32_t index = 0;  // number of this frame
        bool open = false;        // sending: the header is made; receiving: the header was checked
    };

    std::optional<LinkFault> send_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);
    std::optional<LinkFault> check_header(const TcpTransfer& transfer);

    Rank peer_ = -1;
    UniqueFd fd_;
    TransferQueue sends_, receives_;
    FrameState sending_, receiving_;
    std::uint32_t incoming_payload_crc_ = 0;
    bool broken_ = false;
};

}  // namespace firecaffe::comm
