// SPDX-License-Identifier: Apache-2.0
#include "comm/device/device_transport.hpp"

#include <algorithm>
#include <exception>
#include <new>

#include "comm/device/arena_table.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

class DeviceTransport::Message final : public PooledTransfer {
  public:
    enum class Kind { send, receive, borrow };

    Message(DeviceTransport& transport, Kind message_kind, Rank with, const OperationTag& what, std::size_t length)
        : owner(transport), kind(message_kind), peer(with), tag(what), bytes(length) {}
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    ~Message() override { owner.retire(*this); }

    const std::byte* borrowed() const override { return loan; }

    DeviceTransport& owner;
    const Kind kind;
    const Rank peer;
    const OperationTag tag;
    const std::size_t bytes;
    std::byte* target = nullptr;  // of what is received
    bool done = false;

    // Lent.
    std::uint64_t number = 0;
    Note note;         // that it has met
    bool met = false;  // its note has come; of a send, the answer
    const std::byte* loan = nullptr;

    // Staged.
    static constexpr std::size_t kNone = SIZE_MAX;
    std::size_t buffer = kNone;
    std::unique_ptr<Transfer> inner;
};

DeviceTransport::DeviceTransport(Transport& inner, DeviceMemory& device, std::vector<Way> ways)
    : inner_(inner),
      device_(device),
      ways_(std::move(ways)),
      memory_(std::make_shared<TransferMemory>(sizeof(Message))),
      host_buffers_(device),
      peers_(static_cast<std::size_t>(inner.size())) {
    if (ways_.size() != peers_.size())
        throw InternalError("DeviceTransport: ", ways_.size(), " ways for ", peers_.size(), " ranks");
}

DeviceTransport::~DeviceTransport() = default;

void DeviceTransport::require_other(Rank other) const {
    if (other == rank() || other < 0 || other >= size())
        throw UsageError("rank ", rank(), " cannot exchange with rank ", other, " in a group of ", size(),
                         "; name another rank of the group");
}

bool DeviceTransport::always_lends() const {
    return std::ranges::all_of(ways_, [](Way way) { return way == Way::lent; });
}

Memory<Cpu> DeviceTransport::allocate(std::size_t) {
    throw UsageError("a transport of device memory has none of the host's; use DeviceMemory::arenas()");
}

std::uint64_t DeviceTransport::bytes_sent() const {
    return inner_.bytes_sent() + lent_bytes_.load(std::memory_order_relaxed);
}

std::unique_ptr<Transfer> DeviceTransport::post_send(Rank to, const OperationTag& tag,
                                                     std::span<const std::byte> bytes) {
    require_other(to);
    std::unique_ptr<Message> message(new (*memory_) Message(*this, Message::Kind::send, to, tag, bytes.size()));
    if (!lends(to)) {
        message->buffer = host_buffers_.take(bytes.size());
        std::byte* const host = host_buffers_[message->buffer];
        if (!bytes.empty()) device_.copy_out(host, bytes.data(), bytes.size());
        device_.complete();
        message->inner = inner_.post_send(to, tag, {host, bytes.size()});
        return message;
    }
    Note note{.kind = Note::Kind::lent, .number = with(to).sent, .bytes = bytes.size()};
    if (!bytes.empty()) {
        const auto place = device_.arenas().find(device_, bytes);
        if (!place)
            throw UsageError(tag, ": what rank ", rank(),
                             " is to send lies in no memory that others can be shown; take ",
                             "it from Reducer::allocate_on_gpu()");
        note.arena = place->arena;
        note.offset = place->offset;
        note.handle = place->handle;
    }
    message->number = with(to).sent++;
    with(to).sends.push_back(message.get());
    send_note(to, tag, note);
    lent_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    return message;
}

std::unique_ptr<Transfer> DeviceTransport::post_receive(Rank from, const OperationTag& tag,
                                                        std::span<std::byte> bytes) {
    return post(from, tag, bytes, false);
}

std::unique_ptr<Transfer> DeviceTransport::post_borrow(Rank from, const OperationTag& tag,
                                                       std::span<std::byte> buffer) {
    return post(from, tag, buffer, true);
}

std::unique_ptr<Transfer> DeviceTransport::post(Rank from, const OperationTag& tag, std::span<std::byte> bytes,
                                                bool borrows) {
    require_other(from);
    const auto kind = borrows ? Message::Kind::borrow : Message::Kind::receive;
    std::unique_ptr<Message> message(new (*memory_) Message(*this, kind, from, tag, bytes.size()));
    message->target = bytes.data();
    if (!lends(from)) {
        message->buffer = host_buffers_.take(bytes.size());
        message->inner = inner_.post_receive(from, tag, {host_buffers_[message->buffer], bytes.size()});
        return message;
    }
    Peer& peer = with(from);
    message->number = peer.received++;
    peer.receives.push_back(message.get());
    if (!peer.early.empty()) {
        const Note note = peer.early.front();
        peer.early.pop_front();
        meet(*message, note);
    }
    return message;
}

void DeviceTransport::wait(Transfer& transfer) {
    auto* message = dynamic_cast<Message*>(&transfer);
    if (message == nullptr || &message->owner != this)
        throw UsageError("wait() was given a transfer of another transport; wait where it was posted");
    if (message->done) return inner_.check(message->tag);
    if (lends(message->peer))
        wait_lent(*message);
    else
        wait_staged(*message);
    message->done = true;
}

void DeviceTransport::wait_staged(Message& message) {
    inner_.wait(*message.inner);
    message.inner.reset();
    if (message.kind != Message::Kind::send && message.bytes > 0) {
        device_.copy_in(message.target, host_buffers_[message.buffer], message.bytes);
        device_.complete();
    }
    host_buffers_.give_back(std::exchange(message.buffer, Message::kNone));
}

void DeviceTransport::wait_lent(Message& message) {
    while (!message.met) take_note(message.peer, message.tag);
    if (message.kind == Message::Kind::send || message.bytes == 0) {
        if (message.kind == Message::Kind::send) return;
        device_.complete();  // whatever a rank says, the work that it began before is done
        answer(message);
        return;
    }
    const std::byte* const there = address(message.peer, message.note);
    if (message.kind == Message::Kind::borrow) {
        message.loan = there;  // and it is answered when this ends
        return;
    }
    device_.copy(message.target, there, message.bytes);
    device_.complete();
    answer(message);
}

// Blocks until the other rank says something.
void DeviceTransport::take_note(Rank from, const OperationTag& tag) {
    Peer& peer = with(from);
    if (peer.coming == nullptr) peer.coming = std::make_unique<Note>();
    if (peer.coming_transfer == nullptr)
        peer.coming_transfer = inner_.post_receive(from, tag, std::as_writable_bytes(std::span(peer.coming.get(), 1)));
    inner_.wait(*peer.coming_transfer);
    peer.coming_transfer.reset();
    const Note& note = *peer.coming;
    if (note.kind == Note::Kind::done) {
        const auto found = std::ranges::find(peer.sends, note.number, &Message::number);
        if (found == peer.sends.end()) return;  // given up here meanwhile
        (*found)->met = true;
        peer.sends.erase(found);
    } else if (peer.receives.empty()) {
        peer.early.push_back(note);
    } else {
        meet(*peer.receives.front(), note);
    }
}

void DeviceTransport::meet(Message& message, const Note& note) {
    std::erase(with(message.peer).receives, &message);
    if (note.number != message.number || note.bytes != message.bytes)
        throw PeerLostError(inner_.peer(message.peer), " lends ", note.bytes, " bytes as message ", note.number,
                            " to rank ", rank(), ", but it expects ", message.bytes, " as message ", message.number,
                            " of ", message.tag, "; use the same options on all ranks");
    message.note = note;
    message.met = true;
}

// In what is mapped, or is now.
const std::byte* DeviceTransport::address(Rank from, const Note& note) {
    const auto [place, fresh] = mapped_.try_emplace({from, note.arena});
    if (fresh) {
        try {
            place->second = device_.open(note.handle);
        } catch (...) {
            mapped_.erase(place);
            throw;
        }
    }
    return place->second.data + note.offset;
}

void DeviceTransport::send_note(Rank to, const OperationTag& tag, const Note& note) {
    Sent& sent = with(to).notes.emplace_back(Sent{note, nullptr});
    sent.transfer = inner_.post_send(to, tag, std::as_bytes(std::span(&sent.note, 1)));
}

void DeviceTransport::answer(const Message& message) {
    send_note(message.peer, message.tag, {.kind = Note::Kind::done, .number = message.number});
}

// Of a message that is over, in whatever way. A note that cannot be sent ends the group, as nobody would be told.
void DeviceTransport::retire(Message& message) noexcept {
    if (message.loan != nullptr) {
        try {
            answer(message);
        } catch (const std::exception& error) {
            inner_.abort(error.what());
        }
    }
    Peer& peer = with(message.peer);
    std::erase(peer.sends, &message);
    std::erase(peer.receives, &message);
    message.inner.reset();
    if (message.buffer != Message::kNone) host_buffers_.give_back(message.buffer);
}

void DeviceTransport::finish() {
    for (Peer& peer : peers_) {
        for (; !peer.notes.empty(); peer.notes.pop_front()) inner_.wait(*peer.notes.front().transfer);
    }
}

}  // namespace firecaffe::comm
