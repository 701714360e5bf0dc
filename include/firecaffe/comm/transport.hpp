// SPDX-License-Identifier: Apache-2.0
// Transport: moves bytes between ranks, in order per pair, and tells who is lost. Implementations lie in
// comm/transport/: threads of one process, TCP, shared memory, MPI. Bytes only; no type, no tensor, no JSON.
//
// Threads: one thread posts, waits and checks (the reducer's); abort(), interrupt() and note_progress() may come from
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "firecaffe/comm/plan.hpp"
#include "firecaffe/core/dtype.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {

/// Who a rank is, for messages.
struct PeerInfo {
    Rank rank = 0;
    std::string host = "localhost";
    std::int64_t pid = 0;
};

/// "rank 2 (host gpu03, pid 4711)".
std::string to_string(const PeerInfo& peer);

/// What an operation is part of, for messages and for the check that both ends mean the same one.
struct OperationTag {
    std::uint64_t sequence = 0;  ///< number of the collective, equal on all ranks
    std::uint32_t bucket = 0;
    std::uint32_t step = 0;      ///< training step, for messages
    DType dtype = DType::uint8;  ///< of the elements; both ends must agree
    std::uint64_t count = 0;     ///< elements of the whole request, of which a transfer may be a piece; likewise

    /// Both ends of a transfer speak of the same operation.
    friend bool operator==(const OperationTag&, const OperationTag&) = default;
};

/// Buckets of the small sums that a run needs beside its gradients. Those of gradients count from 0 and stay below.
enum ServiceBucket : std::uint32_t {
    kTestFiguresBucket = 0xE0000000u,
    kResumeBucket = 0xE0000001u,  ///< which checkpoint each rank has found
    kBenchFiguresBucket = 0xE0000002u,
    kProbeBucket = 0xE0000003u,    ///< how fast the network is
    kStaleBucket = 0xE0000004u,    ///< updates and values of a stale server
    kAverageBucket = 0xE0000005u,  ///< means of what workers have updated by themselves
    kNcclBucket = 0xE0000006u,     ///< by which NCCL's ranks find each other
    kFactorsBucket = 0xE0000007u,  ///< whether all ranks make the same products of factors
    kGpuBucket = 0xE0000008u,      ///< which ranks reach each other's GPU memory
};

/// For messages: "bucket 3 of step 615 (all-reduce #1842)", "the exchange of test figures (all-reduce #1843)".
std::string to_string(const OperationTag& tag);

/// One transfer under way. Must be waited for before its buffer is touched or freed.
class Transfer {
  public:
    virtual ~Transfer() = default;
    /// Of a complete post_borrow(): where the bytes lie, until this object is destroyed; null: in the buffer.
    virtual const std::byte* borrowed() const { return nullptr; }
};

class Transport {
  public:
    virtual ~Transport() = default;
    virtual Rank rank() const = 0;
    virtual int size() const = 0;
    virtual PeerInfo peer(Rank rank) const = 0;

    /// Starts a transfer; returns at once. Transfers between one pair of ranks and in one direction complete in the
    /// order in which they were posted. Zero bytes are an ordinary length.
    virtual std::unique_ptr<Transfer> post_send(Rank to, const OperationTag&, std::span<const std::byte>) = 0;
    virtual std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag&, std::span<std::byte>) = 0;

    /// As post_receive, for bytes that are only read, as those that are added to others: they need not be copied into
    /// the buffer. Destroy the transfer soon: until then the sender's may be incomplete, and its next ones wait.
    virtual std::unique_ptr<Transfer> post_borrow(Rank from, const OperationTag& tag, std::span<std::byte> buffer) {
        return post_receive(from, tag, buffer);
    }

    /// True if no post_borrow() needs a buffer, which then may be a null pointer of the same length.
    virtual bool always_lends() const { return false; }

    /// Memory for buffers that are sent often: where peers can reach it, what lies in it is not copied to be sent. Any
    /// thread; zero-filled; may outlive the transport. Once a wait has thrown, peers may still be reading what was
    /// posted from it: leave it as it is until they have ended as well, or free it. Throws std::bad_alloc, and
    /// UnavailableError where the system lets this process share no more.
    virtual Memory<Cpu> allocate(std::size_t bytes) { return Memory<Cpu>(bytes); }

    /// Blocks until the transfer is complete. Throws PeerLostError, naming the rank that is lost (not merely the one
    /// waited for), host, bucket and step, when a peer died, stopped answering for the deadline, sent a damaged frame
    /// or another operation than the tag says, or when abort() was called.
    virtual void wait(Transfer&) = 0;

    /// As wait(), for the first of several of this transport that is complete; returns its place. Returns
    /// transfers.size() when interrupt() was called, here or since the last call. `awaited`: the rank that this one
    /// cannot go on without, for those who look for whoever holds up the others; -1: none, and then only the end of the
    /// group ends the wait. Throws UnavailableError where a transport waits for single transfers only.
    virtual std::size_t wait_any(std::span<Transfer* const> transfers, Rank awaited);

    /// Ends a wait_any() of this rank, the present or the next one. Any thread.
    virtual void interrupt() noexcept {}

    /// Makes every present and future wait throw PeerLostError with `reason`, here and, as far as they can be reached,
    /// on the other ranks.
    virtual void abort(const std::string& reason) noexcept = 0;

    /// Tells the other ranks that this one is alive and advancing. Cheap; call it from anywhere that makes progress.
    virtual void note_progress() noexcept = 0;

    /// An orderly end: no rank may take the closing of connections after this for a death. Returns when all ranks have
    /// called it, or after the deadline.
    virtual void close() noexcept = 0;

    /// Bytes put on the wire by this rank so far, frames' headers included.
    virtual std::uint64_t bytes_sent() const = 0;

    /// Throws what wait() would throw if the group has come to an end, and returns at once if it has not: for who waits
    /// for the other ranks in another way. Cheap. A transport that cannot tell need not.
    virtual void check(const OperationTag&) {}
};

}  // namespace firecaffe::comm
