// SPDX-License-Identifier: Apache-2.0
// Liveness: one rank's part in the protocol of the control connections: heartbeats, verdicts and goodbyes, with the
// judgement of watch.hpp in their middle. No I/O, no thread and no clock in here: it is told what was heard and what
// time it is, and says what to send. The control plane drives it over sockets, a simulation in virtual time.
//
// Control connections form a star: rank 0 has one to every other rank. It passes on what it decides, and what others
// have found; the others only accept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/transport/link_fault.hpp"
#include "comm/transport/message.hpp"
#include "comm/transport/watch.hpp"

namespace firecaffe::comm {

class Liveness {
  public:
    struct Letter {
        Rank to;
        Message message;
    };

    /// `deadline_seconds` and `stall_seconds` as in JoinOptions.
    Liveness(Rank self, std::vector<PeerInfo> peers, double deadline_seconds, double stall_seconds, Time now);

    // What has happened. Messages that have arrived come before everything else: a rank that was stopped must first
    // hear what happened meanwhile.

    /// False if this is no message of the protocol: close the connection with the words of kUnreadable.
    bool hear(Rank from, const Message& message, Time now);
    static constexpr const char* kUnreadable = "it sent a message that cannot be read";
    void closed(Rank rank, const std::string& why);            ///< a control connection; may be repeated
    void broken(Rank rank, const LinkFault& fault, Time now);  ///< a data connection
    void give_up(const std::string& reason);                   ///< this rank does
    void say_goodbye();                                        ///< this rank does; may be repeated

    /// Sends a heartbeat if it is time, and judges. Call it at next_beat() and several times per deadline.
    void turn(Time now, const Pulse& pulse);
    Time next_beat() const { return next_beat_; }

    /// What is to be sent, in order. After a verdict come the last letters, and then last_letter_written() is true.
    std::vector<Letter> take_letters();
    bool last_letter_written() const { return announced_; }

    /// Who is lost, in the words for this rank. A first verdict stays.
    const std::optional<Verdict>& verdict() const { return verdict_; }
    /// All ranks have said goodbye, and know that of one another.
    bool all_said_goodbye() const { return all_goodbye_; }

  private:
    void conclude(const Verdict& verdict, bool tell);
    void beat(Time now, const Pulse& pulse);
    void end_if_all_said_goodbye();
    void send(Rank to, MessageType type, const WireWriter& body = {});
    void send_to_all(MessageType type, const WireWriter& body = {});
    bool in_range(Rank rank) const { return rank >= 0 && rank < static_cast<Rank>(peers_.size()); }

    const Rank self_;
    const std::vector<PeerInfo> peers_;
    Watch watch_;
    Clock::duration beat_interval_;
    Time next_beat_;
    std::vector<Letter> letters_;
    std::optional<Verdict> verdict_;
    bool goodbye_said_ = false, all_goodbye_ = false, announced_ = false;
};

}  // namespace firecaffe::comm
