// SPDX-License-Identifier: Apache-2.0
// DeviceTransport: moves bytes of device memory between ranks, over a transport for the host's.
//
// To a rank that reads this one's memory (Way::lent) a message is a note that says where the bytes lie; the receiver
// maps the arena once, reads or copies them, and answers with a note that says it is done. Then the send is complete.
// To others (Way::staged) the bytes travel through buffers of the host. The sender's memory must be complete when it
// posts a send (Arithmetic::complete); a receive is complete in the device's memory when wait() returns.
//
// Notes of both kinds go from rank to rank in the order in which they arise, which the other end does not know. So
// whoever waits for anything from a rank takes its next note, whatever it says, until what it waits for has come. All
// notes of a collective are taken within it: it ends when its transfers are complete, each of which takes one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/device/device_memory.hpp"
#include "comm/device/host_buffers.hpp"
#include "comm/device/ways.hpp"
#include "comm/transport/transfer_memory.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// One thread posts, waits and destroys transfers, between enter() and leave() of the device; as for any transport,
/// others may abort and note progress. Transfers must end before it does.
class DeviceTransport final : public Transport {
  public:
    /// Both must outlive it.
    DeviceTransport(Transport& inner, DeviceMemory& device, std::vector<Way> ways);
    ~DeviceTransport() override;

    Rank rank() const override { return inner_.rank(); }
    int size() const override { return inner_.size(); }
    PeerInfo peer(Rank rank) const override { return inner_.peer(rank); }

    /// The spans are of device memory. post_send() throws UsageError for bytes to lend that lie in none of
    /// DeviceMemory::arenas().
    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) override;
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes) override;
    std::unique_ptr<Transfer> post_borrow(Rank from, const OperationTag& tag, std::span<std::byte> buffer) override;
    bool always_lends() const override;
    /// Throws UsageError: ask DeviceMemory::arenas() for memory.
    Memory<Cpu> allocate(std::size_t bytes) override;
    void wait(Transfer& transfer) override;

    /// Returns when all notes of this rank are on their way. After each collective. Throws as wait().
    void finish();
    /// Unmaps what peers have shown.
    void forget_peers() noexcept { mapped_.clear(); }
    /// Arenas of peers that are mapped.
    std::size_t mapped() const { return mapped_.size(); }

    void abort(const std::string& reason) noexcept override { inner_.abort(reason); }
    void note_progress() noexcept override { inner_.note_progress(); }
    void close() noexcept override { inner_.close(); }
    /// What was lent counts, although it was not on any wire.
    std::uint64_t bytes_sent() const override;
    void check(const OperationTag& tag) override { inner_.check(tag); }

  private:
    /// What is said between ranks that lend. As on the wire: both are of one host and one program.
    struct Note {
        enum class Kind : std::uint32_t { lent = 1, done = 2 };
        Kind kind = Kind::lent;
        std::uint32_t arena = 0;   // 0: there are no bytes
        std::uint64_t number = 0;  // of the message, from one rank to the other
        std::uint64_t offset = 0, bytes = 0;
        MemoryHandle handle{};
    };
    struct Sent {
        Note note;
        std::unique_ptr<Transfer> transfer;
    };
    class Message;

    // What is under way with one other rank.
    struct Peer {
        std::uint64_t sent = 0, received = 0;  // messages so far
        std::deque<Message*> sends, receives;  // posted, and not answered or not met, oldest first
        std::deque<Note> early;                // of sends that no receive is posted for
        std::deque<Sent> notes;                // from here
        std::unique_ptr<Note> coming;
        std::unique_ptr<Transfer> coming_transfer;  // before `coming` goes, it ends
    };

    std::unique_ptr<Transfer> post(Rank from, const OperationTag& tag, std::span<std::byte> bytes, bool borrows);
    void send_note(Rank to, const OperationTag& tag, const Note& note);
    void take_note(Rank from, const OperationTag& tag);
    void meet(Message& message, const Note& note);
    void wait_lent(Message& message);
    void wait_staged(Message& message);
    void answer(const Message& message);
    void retire(Message& message) noexcept;
    const std::byte* address(Rank from, const Note& note);
    Peer& with(Rank rank) { return peers_[static_cast<std::size_t>(rank)]; }
    bool lends(Rank rank) const { return ways_[static_cast<std::size_t>(rank)] == Way::lent; }
    void require_other(Rank rank) const;

    Transport& inner_;
    DeviceMemory& device_;
    const std::vector<Way> ways_;
    std::shared_ptr<TransferMemory> memory_;
    HostBuffers host_buffers_;
    std::map<std::pair<Rank, std::uint32_t>, Buffer> mapped_;  // by the arena's number
    std::vector<Peer> peers_;
    std::atomic<std::uint64_t> lent_bytes_{0};
};

}  // namespace firecaffe::comm
