// SPDX-License-Identifier: Apache-2.0
// The simulated transport: one rank's end of a cluster that lives in one thread and in virtual time. What a TCP
// transport does with threads, sockets and the clock happens here as events; frames, messages, heartbeats and verdicts
// are the same code (frame_stream.hpp, message.hpp, liveness.hpp). SimulatedCluster makes one per rank.
//
// One thread cannot block: wait() returns or throws at once if ready() says so, and throws UsageError otherwise. Drive
// the Engine (collective/engine.hpp) of each rank instead of an Executor, and go on when on_change() is told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/simulation/stream.hpp"
#include "comm/transport/frame_stream.hpp"
#include "comm/transport/liveness.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

class SimulatedTransport final : public Transport, private Actor {
  public:
    SimulatedTransport(VirtualTime& time, Rank rank, std::vector<PeerInfo> peers, double deadline_seconds,
                       double stall_seconds);
    SimulatedTransport(const SimulatedTransport&) = delete;
    SimulatedTransport& operator=(const SimulatedTransport&) = delete;

    // Wiring. The ends to give to the streams, and the streams themselves; rank 0 has a control connection to each
    // other rank, the others have one to rank 0.
    StreamEnd data_end(Rank peer) { return {this, kData + peer}; }
    StreamEnd control_end(Rank peer) { return {this, kControl + peer}; }
    void connect_data(Rank peer, Stream& out, Stream& in);
    void connect_control(Rank peer, Stream& out, Stream& in);
    /// `first`: when the process looks around by itself for the first time.
    void start(Clock::duration first) { time_.after(first, *this, kTick); }

    Rank rank() const override { return rank_; }
    int size() const override { return static_cast<int>(peers_.size()); }
    PeerInfo peer(Rank rank) const override { return peers_.at(static_cast<std::size_t>(rank)); }
    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) override;
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes) override;
    void wait(Transfer& transfer) override;
    void abort(const std::string& reason) noexcept override;
    void note_progress() noexcept override { ++pulse_.progress; }
    /// Says goodbye; closed() tells when it is done.
    void close() noexcept override;
    std::uint64_t bytes_sent() const override { return bytes_sent_; }

    /// Whether wait() would return or throw at once. If not, this rank is seen to wait for the transfer's peer.
    bool ready(const Transfer& transfer);
    const std::optional<Verdict>& verdict() const { return liveness_.verdict(); }
    /// After close(): all ranks have said goodbye, there is a verdict, or the deadline has passed.
    bool closed() const;
    int transfers_alive() const { return transfers_alive_; }
    /// Called after each event in which this rank took part.
    void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

    // What can happen to a process. Its connections close when it ends; if it is stopped, nothing of it runs.
    void end(bool orderly);
    void stop() { stopped_ = true; }
    void resume();
    bool runs() const { return !ended_ && !stopped_; }

  private:
    enum Word { kTick, kResume, kData = 1000, kControl = 2000 };

    struct SimulatedTransfer;
    struct DataLink {
        Stream *out = nullptr, *in = nullptr;
        FrameSender sender{};
        FrameReceiver receiver{};
        bool broken = false;
    };
    struct ControlLink {
        Stream *out = nullptr, *in = nullptr;
        MessageReader reader{};
        std::vector<std::byte> unsent{};
        bool finished = false, closed = false;
    };

    void wake(int what) override;
    std::unique_ptr<Transfer> post(std::unique_ptr<SimulatedTransfer> transfer);
    void forget(const FramedTransfer& transfer);
    void advance(Rank peer);
    std::optional<LinkFault> send_some(DataLink& link);
    std::optional<LinkFault> receive_some(DataLink& link);
    void hear(Rank peer);
    void flush(ControlLink& link);
    void turn();

    VirtualTime& time_;
    const Rank rank_;
    const std::vector<PeerInfo> peers_;
    const Clock::duration deadline_;
    Liveness liveness_;
    std::vector<DataLink> data_;        // by rank
    std::vector<ControlLink> control_;  // by rank
    const std::shared_ptr<TransferMemory> memory_;
    Pulse pulse_;
    std::uint64_t bytes_sent_ = 0;
    int transfers_alive_ = 0;
    std::optional<Time> closing_since_;
    bool stopped_ = false, ended_ = false;
    std::function<void()> listener_;
};

}  // namespace firecaffe::comm
