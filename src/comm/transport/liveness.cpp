// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/liveness.hpp"

#include <algorithm>
#include <utility>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

namespace {

constexpr double kLongestBeat = 0.5;

Watch::Limits limits_of(Rank self, double deadline_seconds, double stall_seconds) {
    const double silence = deadline_seconds / 2;
    // Rank 0 waits shortly for a better explanation of a broken connection. The others wait for rank 0's, and only if
    // it has none although it is alive do they speak themselves.
    return {seconds(silence), seconds(stall_seconds), seconds(self == 0 ? 0.3 : silence + 0.5)};
}

WireWriter body_of(const Verdict& verdict) {
    WireWriter body;
    body.put(static_cast<std::int32_t>(verdict.culprit)).put_text(verdict.cause);
    return body;
}

WireWriter body_of(const Pulse& pulse) {
    WireWriter body;
    body.put(pulse.progress).put(static_cast<std::int32_t>(pulse.waiting_for)).put(pulse.tag.sequence);
    body.put(pulse.tag.bucket).put(pulse.tag.step);
    return body;
}

Pulse read_pulse(WireReader& body) {
    Pulse pulse;
    pulse.progress = body.get<std::uint64_t>();
    pulse.waiting_for = body.get<std::int32_t>();
    pulse.tag.sequence = body.get<std::uint64_t>();
    pulse.tag.bucket = body.get<std::uint32_t>();
    pulse.tag.step = body.get<std::uint32_t>();
    return pulse;
}

}  // namespace

Liveness::Liveness(Rank self, std::vector<PeerInfo> peers, double deadline_seconds, double stall_seconds, Time now)
    : self_(self),
      peers_(std::move(peers)),
      watch_(peers_, self, limits_of(self, deadline_seconds, stall_seconds), now),
      beat_interval_(seconds(std::min(kLongestBeat, deadline_seconds / 12))),
      next_beat_(now) {}

void Liveness::send(Rank to, MessageType type, const WireWriter& body) {
    if (!announced_) letters_.push_back({to, {type, body.bytes()}});
}

void Liveness::send_to_all(MessageType type, const WireWriter& body) {
    if (self_ != 0) return send(0, type, body);
    for (Rank rank = 1; in_range(rank); ++rank) send(rank, type, body);
}

std::vector<Liveness::Letter> Liveness::take_letters() {
    return std::exchange(letters_, {});
}

bool Liveness::hear(Rank from, const Message& message, Time now) {
    watch_.heard(from, now);
    WireReader body(message.body);
    switch (message.type) {
        case MessageType::pulse: {
            const Pulse pulse = read_pulse(body);
            if (!body.complete() || (pulse.waiting_for != -1 && !in_range(pulse.waiting_for))) return false;
            watch_.pulse(from, pulse, now);
            return true;
        }
        case MessageType::verdict: {
            const auto culprit = body.get<std::int32_t>();
            const std::string cause = body.get_text();
            if (!body.complete() || !in_range(culprit)) return false;
            conclude({culprit, cause}, self_ == 0);
            return true;
        }
        case MessageType::gave_up: {
            const std::string reason = body.get_text();
            if (!body.complete()) return false;
            watch_.gave_up(from, reason);
            return true;
        }
        case MessageType::blame: {
            const auto suspect = body.get<std::int32_t>();
            const bool certain = body.get<std::uint8_t>() != 0;
            const std::string why = body.get_text();
            if (!body.complete() || !in_range(suspect)) return false;
            watch_.report(from, suspect, why, certain, now);
            return true;
        }
        case MessageType::goodbye:
            watch_.goodbye(from);
            end_if_all_said_goodbye();
            return true;
        case MessageType::goodbye_all:
            all_goodbye_ = true;
            return true;
        default:
            return false;
    }
}

void Liveness::closed(Rank rank, const std::string& why) {
    watch_.closed(rank, why);
}

void Liveness::broken(Rank rank, const LinkFault& fault, Time now) {
    watch_.report(self_, rank, fault.why, self_ == 0 && fault.certain, now);
    if (self_ == 0) return;
    WireWriter body;
    body.put(static_cast<std::int32_t>(rank)).put(static_cast<std::uint8_t>(fault.certain)).put_text(fault.why);
    send(0, MessageType::blame, body);
}

void Liveness::give_up(const std::string& reason) {
    if (verdict_) return;
    verdict_ = Verdict{self_, text(peers_[static_cast<std::size_t>(self_)], " gave up: ", reason)};
    if (self_ == 0)
        send_to_all(MessageType::verdict, body_of(*verdict_));
    else
        send(0, MessageType::gave_up, WireWriter().put_text(reason));
    announced_ = true;
}

void Liveness::say_goodbye() {
    if (goodbye_said_) return;
    goodbye_said_ = true;
    watch_.goodbye(self_);
    send_to_all(MessageType::goodbye);
    end_if_all_said_goodbye();
}

void Liveness::end_if_all_said_goodbye() {
    if (self_ != 0 || all_goodbye_ || !goodbye_said_ || !watch_.all_said_goodbye()) return;
    all_goodbye_ = true;
    send_to_all(MessageType::goodbye_all);
}

void Liveness::turn(Time now, const Pulse& pulse) {
    if (verdict_) return;
    if (now >= next_beat_) beat(now, pulse);
    if (const auto verdict = watch_.judge(now)) conclude(*verdict, true);
}

void Liveness::beat(Time now, const Pulse& pulse) {
    next_beat_ = now + beat_interval_;
    watch_.pulse(self_, pulse, now);
    send_to_all(MessageType::pulse, body_of(pulse));
}

void Liveness::conclude(const Verdict& verdict, bool tell) {
    if (verdict_) return;
    if (tell) send_to_all(MessageType::verdict, body_of(verdict));
    announced_ = true;
    verdict_ = verdict;
    if (verdict.culprit == self_)
        verdict_->cause =
            text("this process, ", peers_[static_cast<std::size_t>(self_)], ", was shut out: ", verdict.cause);
}

}  // namespace firecaffe::comm
