// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/doorkeeper.hpp"

#include <utility>

namespace firecaffe::comm {

Nonce Doorkeeper::admit(Id id, ServerHandshake handshake, Time now) {
    const Nonce challenge = handshake.challenge();
    pending_.emplace(id, Pending{std::move(handshake), now + seconds(kProofSeconds)});
    return challenge;
}

std::span<std::byte> Doorkeeper::room(Id id) {
    const auto entry = pending_.find(id);
    if (entry == pending_.end()) return {};
    return std::span(entry->second.proof).subspan(entry->second.received);
}

Doorkeeper::Word Doorkeeper::hear(Id id, std::size_t bytes, const Expected& expected) {
    const auto entry = pending_.find(id);
    if (entry == pending_.end()) return {.last = true};
    Pending& pending = entry->second;
    pending.received += bytes;
    if (pending.received < kProofBytes) return {};
    const auto hello = pending.handshake.verify(pending.proof);
    if (!hello) {
        forget(id);
        return {.reply = {kRefused}, .last = true};
    }
    const Answer answer = answer_to(*hello, expected);
    const auto reply = pending.handshake.answer(answer);
    Word word{.reply = {reply.begin(), reply.end()}, .last = true};
    if (answer == Answer::welcome) {
        word.guest = hello;
        word.transcript = pending.handshake.transcript();
    }
    pending_.erase(entry);
    return word;
}

Answer Doorkeeper::answer_to(const Hello& hello, const Expected& expected) const {
    if (hello.version != kProtocolVersion) return Answer::other_version;
    if (hello.job != job_) return Answer::other_job;
    if (hello.target != self_ || !expected(hello)) return Answer::unexpected;
    return Answer::welcome;
}

void Doorkeeper::forget(Id id) {
    strangers_ += pending_.erase(id);
}

Doorkeeper::Id Doorkeeper::drop_oldest() {
    const Id id = pending_.begin()->first;
    forget(id);
    return id;
}

std::vector<Doorkeeper::Id> Doorkeeper::drop_late(Time now) {
    std::vector<Id> late;
    while (!pending_.empty() && pending_.begin()->second.deadline <= now) late.push_back(drop_oldest());
    return late;
}

}  // namespace firecaffe::comm
