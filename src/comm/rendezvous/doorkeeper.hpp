// SPDX-License-Identifier: Apache-2.0
// Doorkeeper: decides about connections that have not proved themselves yet. Each costs 128 bytes, for at most
// kProofSeconds; when there are kLargest of them the oldest one goes, because a genuine worker needs a moment only. No
// I/O and no clock in here: the lobby drives it over sockets, a simulation in virtual time.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "comm/transport/clock.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"

namespace firecaffe::comm {

/// Connections that came to a listening socket and did not become one of the job.
struct Failures {
    std::uint64_t proofs = 0;  ///< could not prove the token
    std::uint64_t tls = 0;     ///< did, but did not get through TLS
};

class Doorkeeper {
  public:
    static constexpr std::size_t kLargest = 256;
    static constexpr double kProofSeconds = 2.0;

    /// A connection; ids rise in the order of arrival.
    using Id = std::uint64_t;
    /// Whether such a guest is expected; asked about those who have proved themselves.
    using Expected = std::function<bool(const Hello&)>;

    /// `self`: the rank that guests must ask for.
    Doorkeeper(const Digest& key, const JobId& job, Rank self) : key_(key), job_(job), self_(self) {}

    /// A connection has come: send it this challenge. Give its id up or hear it to the end.
    Nonce admit(Id id, Time now) { return admit(id, ServerHandshake(key_), now); }
    /// For tests: a nonce may be used only once.
    Nonce admit(Id id, const Nonce& nonce, Time now) { return admit(id, ServerHandshake(key_, nonce), now); }

    /// Where the next bytes of its proof go; empty for an id that is not waiting.
    std::span<std::byte> room(Id id);
    struct Word {
        std::vector<std::byte> reply{};  ///< to be sent
        bool last = false;               ///< the connection is done with: close it, unless it is a guest
        std::optional<Hello> guest{};    ///< who has proved itself and is welcome
        Digest transcript{};             ///< of the guest's handshake
    };
    /// The first `bytes` of room() have come.
    Word hear(Id id, std::size_t bytes, const Expected& expected);
    /// It closed before it had proved anything.
    void left(Id id) { forget(id); }

    bool full() const { return pending_.size() >= kLargest; }
    bool empty() const { return pending_.empty(); }
    /// The one that came first goes; close it.
    Id drop_oldest();
    /// Who has had its time; close them.
    std::vector<Id> drop_late(Time now);

    /// How many connections could not prove themselves.
    std::uint64_t strangers() const { return strangers_; }

  private:
    struct Pending {
        ServerHandshake handshake;
        Time deadline;
        std::array<std::byte, kProofBytes> proof{};
        std::size_t received = 0;
    };

    Nonce admit(Id id, ServerHandshake handshake, Time now);
    Answer answer_to(const Hello& hello, const Expected& expected) const;
    void forget(Id id);

    Digest key_;
    JobId job_;
    Rank self_;
    std::map<Id, Pending> pending_;
    std::uint64_t strangers_ = 0;
};

}  // namespace firecaffe::comm
