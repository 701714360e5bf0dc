// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/watch.hpp"

#include <algorithm>
#include <chrono>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

namespace {

double in_seconds(Clock::duration d) {
    return std::chrono::duration<double>(d).count();
}

}  // namespace

Watch::Watch(std::vector<PeerInfo> peers, Rank self, const Limits& limits, Time now)
    : self_(self), limits_(limits), last_judged_(now) {
    for (PeerInfo& info : peers) peers_.push_back({std::move(info), now, now, now, now, {}});
}

void Watch::heard(Rank rank, Time now) {
    peers_[at(rank)].heard = now;
}

void Watch::pulse(Rank rank, const Pulse& pulse, Time now) {
    Peer& peer = peers_[at(rank)];
    peer.heard = now;
    if (pulse.progress != peer.last.progress) peer.progressed = now;
    if (pulse.waiting_for != peer.last.waiting_for) peer.waits_since = now;
    peer.last = pulse;
}

void Watch::convict(Rank rank, std::string cause) {
    if (!verdict_) verdict_ = Verdict{rank, std::move(cause)};
}

void Watch::closed(Rank rank, const std::string& why) {
    Peer& peer = peers_[at(rank)];
    peer.left = true;
    if (watches(rank) && !peer.goodbye) convict(rank, text("lost ", peer.info, ": ", why));
}

void Watch::goodbye(Rank rank) {
    peers_[at(rank)].goodbye = true;
    // Without rank 0 nobody else will explain a broken connection.
    if (self_ != 0 && rank == 0)
        limits_.grace = std::min<Clock::duration>(limits_.grace, std::chrono::milliseconds(300));
}

void Watch::gave_up(Rank rank, const std::string& reason) {
    convict(rank, text(peers_[at(rank)].info, " gave up: ", reason));
}

void Watch::report(Rank reporter, Rank suspect, const std::string& why, bool certain, Time now) {
    if (certain) return convict(suspect, text("lost ", peers_[at(suspect)].info, ": ", why));
    reports_.push_back({reporter, suspect, why, now + limits_.grace});
}

bool Watch::all_said_goodbye() const {
    return std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.goodbye; });
}

std::optional<Verdict> Watch::judge(Time now) {
    const Clock::duration gap = now - last_judged_;
    last_judged_ = now;
    if (gap > limits_.silence / 3) {
        // This process itself was stopped or starved, so it could not have heard anybody. Give the others that time.
        // What has come since is as fresh as it is.
        for (Peer& peer : peers_) {
            for (Time* since : {&peer.heard, &peer.progressed, &peer.waited_for_since, &peer.waits_since})
                *since = std::min(now, *since + gap);
        }
        for (Report& report : reports_) report.due = std::min(now + limits_.grace, report.due + gap);
    }
    if (!verdict_) judge_silence(now);
    if (!verdict_) {
        for (const Report& report : reports_)
            if (now >= report.due)
                convict(report.suspect, text("lost ", peers_[at(report.suspect)].info, ": ", report.why, " (seen by ",
                                             peers_[at(report.reporter)].info, ")"));
    }
    if (!verdict_) self_ == 0 ? judge_stalls(now) : judge_own_wait(now);
    return verdict_;
}

void Watch::judge_silence(Time now) {
    for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
        const Peer& peer = peers_[rank];
        if (watches(static_cast<Rank>(rank)) && !peer.goodbye && now - peer.heard > limits_.silence)
            convict(static_cast<Rank>(rank),
                    text("lost ", peer.info, ": no sign of life for more than ", in_seconds(limits_.silence), " s"));
    }
}

// Nobody else will, once rank 0 has left. It is not known whom that peer may wait for.
void Watch::judge_own_wait(Time now) {
    const Peer& self = peers_[at(self_)];
    const Rank peer = self.last.waiting_for;
    if (!peers_[0].left || peer < 0 || now - std::max(self.progressed, self.waits_since) <= limits_.stall) return;
    convict(peer, text("lost ", peers_[at(peer)].info, ": nothing came from it for more than ", in_seconds(limits_.stall),
                       " s, and rank 0, which would know more, has left"));
}

void Watch::judge_stalls(Time now) {
    const auto rank_of = [](std::size_t index) { return static_cast<Rank>(index); };
    for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
        const bool waited_for = std::any_of(peers_.begin(), peers_.end(),
                                            [&](const Peer& other) { return other.last.waiting_for == rank_of(rank); });
        if (!waited_for) peers_[rank].waited_for_since = now;
    }
    const auto stale = [&](const Peer& peer) {
        return now - std::max(peer.progressed, peer.waited_for_since) > limits_.stall;
    };
    for (std::size_t rank = 0; rank < peers_.size(); ++rank) {
        const Peer& peer = peers_[rank];
        if (!stale(peer)) continue;
        if (peer.last.waiting_for < 0)
            return convict(rank_of(rank), text("lost ", peer.info, ": it is alive, but made no progress for more than ",
                                               in_seconds(limits_.stall), " s while others wait for it"));
        // Everybody in a circle waits for the next one: nobody is to blame alone, so all are shown.
        std::string circle = text("rank ", rank, " in ", peer.last.tag);
        Rank next = peer.last.waiting_for;
        for (std::size_t hops = 0; hops < peers_.size() && next >= 0 && stale(peers_[at(next)]); ++hops) {
            if (next == rank_of(rank))
                return convict(next, text("lost ", peer.info, ": no progress for more than ", in_seconds(limits_.stall),
                                          " s, because the ranks wait for one another: ", circle));
            circle += text(", rank ", next, " in ", peers_[at(next)].last.tag);
            next = peers_[at(next)].last.waiting_for;
        }
    }
}

}  // namespace firecaffe::comm
