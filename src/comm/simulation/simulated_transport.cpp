// SPDX-License-Identifier: Apache-2.0
#include "comm/simulation/simulated_transport.hpp"

#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr auto kLook = std::chrono::milliseconds(100);  // how often a process looks around when nothing happens

}  // namespace

struct SimulatedTransport::SimulatedTransfer final : FramedTransfer {
    template <class Bytes>
    SimulatedTransfer(SimulatedTransport& transport, Rank with, const OperationTag& what, Bytes bytes)
        : FramedTransfer(with, what, bytes), owner(transport) {
        ++owner.transfers_alive_;
    }
    ~SimulatedTransfer() override {
        --owner.transfers_alive_;
        if (!done) owner.forget(*this);
    }
    SimulatedTransport& owner;
};

SimulatedTransport::SimulatedTransport(VirtualTime& time, Rank rank, std::vector<PeerInfo> peers,
                                       double deadline_seconds, double stall_seconds)
    : time_(time),
      rank_(rank),
      peers_(std::move(peers)),
      deadline_(seconds(deadline_seconds)),
      liveness_(rank, peers_, deadline_seconds, stall_seconds, time.now()),
      data_(peers_.size()),
      control_(peers_.size()),
      memory_(std::make_shared<TransferMemory>(sizeof(SimulatedTransfer))) {}

void SimulatedTransport::connect_data(Rank peer, Stream& out, Stream& in) {
    data_[static_cast<std::size_t>(peer)] = {.out = &out, .in = &in};
}

void SimulatedTransport::connect_control(Rank peer, Stream& out, Stream& in) {
    control_[static_cast<std::size_t>(peer)] = {.out = &out, .in = &in};
}

std::unique_ptr<Transfer> SimulatedTransport::post_send(Rank to, const OperationTag& tag,
                                                        std::span<const std::byte> bytes) {
    return post(std::unique_ptr<SimulatedTransfer>(new (*memory_) SimulatedTransfer(*this, to, tag, bytes)));
}

std::unique_ptr<Transfer> SimulatedTransport::post_receive(Rank from, const OperationTag& tag,
                                                           std::span<std::byte> bytes) {
    return post(std::unique_ptr<SimulatedTransfer>(new (*memory_) SimulatedTransfer(*this, from, tag, bytes)));
}

std::unique_ptr<Transfer> SimulatedTransport::post(std::unique_ptr<SimulatedTransfer> transfer) {
    const Rank peer = transfer->peer;
    if (peer < 0 || peer >= size() || peer == rank_ || closing_since_) {
        transfer->done = true;  // nothing to forget
        throw UsageError("rank ", rank_, " of ", size(), " cannot exchange bytes with rank ", peer,
                         "; name another rank, and post before close()");
    }
    DataLink& link = data_[static_cast<std::size_t>(peer)];
    transfer->sends ? link.sender.push(*transfer) : link.receiver.push(*transfer);
    if (!verdict()) advance(peer);
    return transfer;
}

void SimulatedTransport::forget(const FramedTransfer& transfer) {
    DataLink& link = data_[static_cast<std::size_t>(transfer.peer)];
    transfer.sends ? link.sender.remove(transfer) : link.receiver.remove(transfer);
    link.broken = true;  // half a frame may be out
    if (!verdict() && !ended_) abort("a transfer was given up before it was complete");
}

bool SimulatedTransport::ready(const Transfer& transfer) {
    const auto& ours = static_cast<const SimulatedTransfer&>(transfer);
    if (ours.done || verdict()) return true;
    pulse_.waiting_for = ours.peer;
    pulse_.tag = ours.tag;
    return false;
}

void SimulatedTransport::wait(Transfer& transfer) {
    auto& ours = static_cast<SimulatedTransfer&>(transfer);
    if (!ready(ours))
        throw UsageError("a simulated transport cannot block; wait for a transfer when ready() says that it is");
    pulse_.waiting_for = -1;
    if (verdict())
        throw PeerLostError(verdict()->cause, ", while waiting in ", ours.tag, "; survivors stop. Start again.");
    note_progress();
}

void SimulatedTransport::abort(const std::string& reason) noexcept {
    if (ended_) return;
    liveness_.give_up(reason);
    turn();
}

void SimulatedTransport::close() noexcept {
    if (closing_since_) return;
    closing_since_ = time_.now();
    liveness_.say_goodbye();
    turn();
}

bool SimulatedTransport::closed() const {
    return closing_since_ && (liveness_.all_said_goodbye() || verdict() || time_.now() - *closing_since_ >= deadline_);
}

void SimulatedTransport::end(bool orderly) {
    if (ended_) return;
    ended_ = true;
    const auto shut = [&](Stream* out, Stream* in) {
        if (out == nullptr) return;
        orderly ? out->finish() : out->lose();
        in->give_up();
    };
    for (DataLink& link : data_) shut(link.out, link.in);
    for (ControlLink& link : control_) shut(link.out, link.in);
}

void SimulatedTransport::resume() {
    if (!stopped_) return;
    stopped_ = false;
    time_.at(time_.now(), *this, kResume);
}

void SimulatedTransport::wake(int what) {
    if (what == kTick && !ended_) time_.after(kLook, *this, kTick);
    if (!runs()) return;
    // What has arrived comes before any judgement.
    if (what >= kControl) hear(what - kControl);
    if (what >= kData && what < kControl) advance(what - kData);
    if (what == kResume) {
        for (Rank peer = 0; peer < size(); ++peer) hear(peer);
        for (Rank peer = 0; peer < size(); ++peer) advance(peer);
    }
    turn();
    if (listener_) listener_();
}

void SimulatedTransport::advance(Rank peer) {
    DataLink& link = data_[static_cast<std::size_t>(peer)];
    if (link.out == nullptr || link.broken || verdict()) return;
    auto fault = receive_some(link);
    if (!fault) fault = send_some(link);
    if (!fault) return;
    link.broken = true;
    liveness_.broken(peer, *fault, time_.now());
}

std::optional<LinkFault> SimulatedTransport::receive_some(DataLink& link) {
    while (!link.receiver.empty()) {
        const auto [header, payload] = link.receiver.rest();
        if (link.in->at_end()) return LinkFault{"its data connection closed", false};
        std::size_t count = link.in->read(header);
        if (count == header.size()) count += link.in->read(payload);
        if (count == 0) return std::nullopt;
        note_progress();
        if (auto fault = link.receiver.read(count)) return fault;
    }
    return std::nullopt;
}

std::optional<LinkFault> SimulatedTransport::send_some(DataLink& link) {
    while (!link.sender.empty()) {
        const auto [header, payload] = link.sender.rest();
        if (link.in->end_arrived()) return LinkFault{"its data connection closed", false};
        std::size_t count = link.out->write(header);
        if (count == header.size()) count += link.out->write(payload);
        if (count == 0) return std::nullopt;
        note_progress();
        bytes_sent_ += count;
        link.sender.wrote(count);
    }
    return std::nullopt;
}

void SimulatedTransport::hear(Rank peer) {
    ControlLink& link = control_[static_cast<std::size_t>(peer)];
    if (link.out == nullptr || link.closed) return;
    flush(link);
    while (link.in->readable() > 0) {
        const auto room = link.reader.room(link.in->readable());
        link.reader.filled(link.in->read(room));
    }
    const auto close = [&](const std::string& why) {
        link.closed = true;
        link.out->finish();
        liveness_.closed(peer, why);
    };
    while (const auto message = link.reader.next())
        if (!liveness_.hear(peer, *message, time_.now())) return close(Liveness::kUnreadable);
    if (!link.reader.damage().empty()) return close(link.reader.damage());
    if (link.in->at_end()) close("its connection closed");
}

void SimulatedTransport::flush(ControlLink& link) {
    const std::size_t count = link.out->write(link.unsent);
    link.unsent.erase(link.unsent.begin(), link.unsent.begin() + static_cast<std::ptrdiff_t>(count));
    if (link.finished && link.unsent.empty()) link.out->finish();
}

void SimulatedTransport::turn() {
    liveness_.turn(time_.now(), pulse_);
    for (const Liveness::Letter& letter : liveness_.take_letters()) {
        ControlLink& link = control_[static_cast<std::size_t>(letter.to)];
        if (link.closed || link.finished) continue;
        append(link.unsent, letter.message);
    }
    for (ControlLink& link : control_) {
        if (link.out == nullptr || link.closed) continue;
        link.finished = link.finished || liveness_.last_letter_written();
        flush(link);
    }
}

}  // namespace firecaffe::comm
