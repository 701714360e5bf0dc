// SPDX-License-Identifier: Apache-2.0
// Watch: decides who is lost. Rank 0 watches everybody; the others watch rank 0 only and leave the rest to its verdict,
// so that all survivors name the same cause. Once rank 0 has left in order, each rank watches whom it waits for itself.
// No I/O and no clock in here: time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/transport/clock.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// Who is lost and why, in the words that every rank shows.
struct Verdict {
    Rank culprit = -1;
    std::string cause;
};

/// What a heartbeat says about its sender.
struct Pulse {
    std::uint64_t progress = 0;  ///< changes whenever the rank advances
    Rank waiting_for = -1;       ///< the rank whose bytes it waits for, or -1
    OperationTag tag;            ///< the operation it waits in
};

class Watch {
  public:
    struct Limits {
        Clock::duration silence;  ///< without a sign of life for longer: dead
        Clock::duration stall;    ///< waited for and without progress for longer: lost
        Clock::duration grace;    ///< how long a broken data connection may wait for a better explanation
    };

    Watch(std::vector<PeerInfo> peers, Rank self, const Limits& limits, Time now);

    void heard(Rank rank, Time now);
    void pulse(Rank rank, const Pulse& pulse, Time now);  ///< heard, and how it is
    void closed(Rank rank, const std::string& why);
    void goodbye(Rank rank);  ///< from now on its closing and its silence are in order
    void gave_up(Rank rank, const std::string& reason);
    /// `reporter` cannot go on with `suspect`. Certain: a damaged or unexpected frame. Otherwise its data connection
    /// broke, which is often only the echo of something else.
    void report(Rank reporter, Rank suspect, const std::string& why, bool certain, Time now);

    bool has_said_goodbye(Rank rank) const { return peers_[at(rank)].goodbye; }
    bool all_said_goodbye() const;

    /// Call it several times per `silence`, after all messages that have arrived were passed on. A first verdict stays.
    std::optional<Verdict> judge(Time now);

  private:
    struct Peer {
        PeerInfo info;
        Time heard, progressed, waited_for_since, waits_since;
        Pulse last;
        bool goodbye = false, left = false;
    };
    struct Report {
        Rank reporter, suspect;
        std::string why;
        Time due;
    };

    static std::size_t at(Rank rank) { return static_cast<std::size_t>(rank); }
    bool watches(Rank rank) const { return rank != self_ && (self_ == 0 || rank == 0); }
    void convict(Rank rank, std::string cause);
    void judge_silence(Time now);
    void judge_stalls(Time now);
    void judge_own_wait(Time now);

    std::vector<Peer> peers_;
    Rank self_;
    Limits limits_;
    Time last_judged_;
    std::vector<Report> reports_;
    std::optional<Verdict> verdict_;
};

}  // namespace firecaffe::comm
