// SPDX-License-Identifier: Apache-2.0
#include "comm/stale/mailbox.hpp"

#include <algorithm>

namespace firecaffe::comm {
namespace {

OperationTag tag_of(std::uint64_t count, std::size_t bytes, std::uint32_t part) {
    return {.sequence = count, .bucket = kStaleBucket, .step = part, .dtype = DType::uint8, .count = bytes};
}

enum Part : std::uint32_t { kHead = 0, kPayload = 1 };

}  // namespace

Mailbox::Mailbox(Transport& transport, MailReader& reader)
    : transport_(transport),
      reader_(reader),
      inboxes_(static_cast<std::size_t>(transport.size())),
      outboxes_(static_cast<std::size_t>(transport.size())),
      sent_(static_cast<std::size_t>(transport.size())) {}

Mailbox::~Mailbox() = default;

void Mailbox::open() {
    for (Rank from = 0; from < transport_.size(); ++from) {
        if (from == transport_.rank()) continue;
        inboxes_[static_cast<std::size_t>(from)].open = true;
        post_header(from);
    }
}

void Mailbox::post_header(Rank from) {
    Inbox& inbox = inboxes_[static_cast<std::size_t>(from)];
    inbox.in_payload = false;
    const auto bytes = std::as_writable_bytes(std::span(&inbox.header, 1));
    inbox.transfer = transport_.post_receive(from, tag_of(++inbox.count, bytes.size(), kHead), bytes);
}

void Mailbox::send(Rank to, MailHeader header, std::span<const std::byte> payload) {
    std::deque<Letter>& outbox = outboxes_[static_cast<std::size_t>(to)];
    header.bytes = payload.size();
    Letter& letter = outbox.emplace_back();
    letter.header = header;
    const std::uint64_t count = ++sent_[static_cast<std::size_t>(to)];
    const auto head = std::as_bytes(std::span(&letter.header, 1));
    letter.head = transport_.post_send(to, tag_of(count, head.size(), kHead), head);
    if (!payload.empty()) letter.payload = transport_.post_send(to, tag_of(count, payload.size(), kPayload), payload);
}

bool Mailbox::is_done() const {
    return std::ranges::none_of(inboxes_, &Inbox::open) &&
           std::ranges::all_of(outboxes_, [](const auto& outbox) { return outbox.empty(); });
}

std::span<Transfer* const> Mailbox::under_way() {
    under_way_.clear();
    places_.clear();
    const auto list = [this](Transfer* transfer, Place place) {
        under_way_.push_back(transfer);
        places_.push_back(place);
    };
    for (Rank peer = 0; peer < transport_.size(); ++peer) {
        const auto p = static_cast<std::size_t>(peer);
        if (inboxes_[p].open) list(inboxes_[p].transfer.get(), {peer, true});
        if (!outboxes_[p].empty()) list(outboxes_[p].front().next().get(), {peer, false});
    }
    return under_way_;
}

void Mailbox::completed(std::size_t place) {
    const auto [peer, arrives] = places_[place];
    if (!arrives) {
        auto& outbox = outboxes_[static_cast<std::size_t>(peer)];
        outbox.front().next().reset();
        if (outbox.front().next() == nullptr) outbox.pop_front();
        return;
    }
    Inbox& inbox = inboxes_[static_cast<std::size_t>(peer)];
    if (inbox.in_payload) return deliver(peer);
    const std::span<std::byte> room = reader_.room(peer, inbox.header);
    if (room.empty()) return deliver(peer);
    inbox.in_payload = true;
    inbox.transfer = transport_.post_receive(peer, tag_of(inbox.count, room.size(), kPayload), room);
}

void Mailbox::deliver(Rank from) {
    Inbox& inbox = inboxes_[static_cast<std::size_t>(from)];
    inbox.transfer.reset();
    inbox.open = reader_.read(from, inbox.header);
    if (inbox.open) post_header(from);
}

}  // namespace firecaffe::comm
