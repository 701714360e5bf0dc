// SPDX-License-Identifier: Apache-2.0
// SharedLink: a link between two ranks of one host, through memory that both have mapped.
//
// Each direction is a ring of kSlots frames, in which a counter of the sender says how many are published and one of
// the receiver how many are consumed. A frame says what it belongs to and where its bytes lie: in the slot beside it,
// into which the sender has copied them, or in a region of the sender (region_table.hpp), from which the receiver takes
// them. The receiver may read bytes where they lie and give the frame back later. No lock lies in the shared memory and
// each word has one writer, or is only ever cleared by the other side, so a peer may die between any two stores.
//
// Who finds nothing to do for long says so (`asleep`) and waits for a note on the local socket; who changes something
// for a sleeper rings. The socket also carries descriptors of regions, and its end tells of the end of the peer.
// Nothing leaves the memory, so there is no checksum.
#pragma once

#include <atomic>
#include <vector>

#include "comm/transport/link.hpp"
#include "comm/transport/local_notes.hpp"
#include "comm/transport/region_table.hpp"
#include "comm/transport/shared_memory.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

inline constexpr std::size_t kSlots = 8;
inline constexpr std::size_t kSlotBytes = 256 * 1024;  // holds a chunk of the executor, which so can stay there
inline constexpr std::size_t kCacheLine = 64;

/// What is in the memory of a link. Zero at first.
struct SharedFrame {
    std::uint64_t sequence, count;  ///< of the operation's tag
    std::uint32_t bucket, step, dtype;
    std::uint32_t region;  ///< in which the bytes lie; 0: in this frame's slot
    std::uint64_t place;   ///< where in the region
    std::uint64_t bytes;   ///< of this frame
    std::uint64_t offset;  ///< of these bytes in the transfer
    std::uint64_t length;  ///< of the whole transfer
};

struct SharedLane {
    alignas(kCacheLine) std::atomic<std::uint64_t> published;  ///< frames so far; the sender's
    alignas(kCacheLine) std::atomic<std::uint64_t> consumed;   ///< the receiver's
    alignas(kCacheLine) SharedFrame frames[kSlots];            ///< frame i lies at i % kSlots
    alignas(4096) std::byte slots[kSlots][kSlotBytes];
};

struct LinkMemory {
    struct alignas(kCacheLine) Flag {
        std::atomic<std::uint32_t> set;
    };
    Flag asleep[2];       ///< of the lower rank and of the higher one
    SharedLane lanes[2];  ///< from the lower rank to the higher one, and back
};

/// What the rendezvous has made of two ranks of one host.
struct SharedEnds {
    UniqueFd socket;
    SharedMemory memory;  ///< a LinkMemory
};

class SharedLink final : public Link {
  public:
    /// `regions`: of this rank; must outlive the link.
    SharedLink(Rank self, Rank peer, SharedEnds ends, const RegionTable& regions);

    int queued() const override { return sends_.size() + shown_.size() + receives_.size(); }
    void push(DataTransfer& transfer) override { (transfer.sends ? sends_ : receives_).push(transfer); }
    void remove(const DataTransfer& transfer) override;

    int fd() const override { return socket_.get(); }
    std::uint32_t wanted_events() const override;
    void notice() override;
    void close() override { socket_.reset(); }  // the memory stays: borrowed bytes may lie in it

    bool in_memory() const override { return true; }
    bool prepare_to_sleep() override;
    void wake_up() override;
    void give_back(const DataTransfer& transfer) override;

  private:
    std::optional<LinkFault> move(std::size_t budget, Traffic& moved) override;
    std::optional<LinkFault> receive_some(std::size_t budget, std::uint64_t& bytes);
    void retire_sends();
    void send_some(std::size_t budget, std::uint64_t& bytes);
    void publish(DataTransfer& transfer, std::uint64_t& bytes);
    std::optional<LinkFault> check(const SharedFrame& frame, const DataTransfer& transfer) const;
    const std::byte* locate(const SharedFrame& frame);
    void release(std::uint64_t frame);
    bool announce(std::uint32_t region);
    void withdraw_freed_regions();
    void ring();

    UniqueFd socket_;
    SharedMemory memory_;
    LinkMemory& shared_;
    SharedLane &out_, &in_;
    std::atomic<std::uint32_t>&i_sleep_, &peer_sleeps_;
    NoteReader notes_;
    bool ended_ = false;
    std::string why_ended_;

    static DataTransfer& first(const TransferQueue& queue) { return static_cast<DataTransfer&>(queue.front()); }

    TransferQueue receives_, sends_;
    TransferQueue shown_;                  // sends that are published and wait for the peer to consume them
    std::uint64_t published_ = 0;          // as in out_
    std::uint64_t seen_ = 0;               // frames of in_ whose bytes were taken or lent
    std::uint64_t consumed_ = 0;           // as in in_
    std::uint64_t taken_bytes_ = 0;        // of the frame seen_, if it is taken piece by piece
    std::array<bool, kSlots> released_{};  // of the frames from consumed_ to seen_

    const RegionTable& regions_;
    std::vector<std::uint32_t> announced_;  // regions of ours that the peer knows
    std::uint64_t freed_ = 0;               // as in regions_
    struct PeerRegion {
        std::uint32_t number;
        SharedMemory memory;
    };
    std::vector<PeerRegion> peer_regions_;
    std::string region_fault_;
};

}  // namespace firecaffe::comm
