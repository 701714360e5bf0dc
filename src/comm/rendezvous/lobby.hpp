// SPDX-License-Identifier: Apache-2.0
// Lobby: a listening socket and the connections that have not proved themselves yet; the doorkeeper decides about them.
// Guests who said so begin TLS in here. Never blocks. Each stranger costs one descriptor and 128 bytes, for a bounded
// time.
#pragma once

#include <map>
#include <vector>

#include "comm/rendezvous/doorkeeper.hpp"
#include "comm/transport/connection.hpp"

namespace firecaffe::comm {

class Lobby {
  public:
    struct Guest {
        Connection connection;
        Hello hello;
    };

    /// `self`: the rank that guests must ask for.
    Lobby(UniqueFd listener, const JobKeys& keys, const JobId& job, Rank self);

    /// Readable when serve() has something to do.
    int poll_fd() const { return epoll_.get(); }
    /// Takes every step that is possible now; returns those who proved themselves and were told they are welcome, as
    /// far as `expected` agrees. Call it at least every second. Throws UnavailableError when descriptors run out.
    std::vector<Guest> serve(const Doorkeeper::Expected& expected);

    std::uint64_t strangers() const { return doorkeeper_.strangers(); }

  private:
    void accept_all(Time now);
    void hear(Doorkeeper::Id id, const Doorkeeper::Expected& expected, std::vector<Guest>& guests);
    void shake_hands(Doorkeeper::Id id, std::vector<Guest>& guests);

    struct Beginner {
        Guest guest;
        Time deadline;
    };

    UniqueFd listener_, epoll_;
    Rank self_;
    Digest encryption_key_;
    Doorkeeper doorkeeper_;
    std::map<Doorkeeper::Id, UniqueFd> connections_;
    std::map<Doorkeeper::Id, Beginner> beginners_;  // in TLS
    Doorkeeper::Id next_id_ = 1;
};

}  // namespace firecaffe::comm
