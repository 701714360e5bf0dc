// SPDX-License-Identifier: Apache-2.0
// Lobby: a listening socket and the connections that have not proved themselves yet; the doorkeeper decides about them.
// Guests who said so begin TLS in here. Never blocks. Each stranger costs one descriptor and 128 bytes, and each guest
// in TLS a descriptor and its buffers, for a bounded time and in bounded number.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "comm/rendezvous/doorkeeper.hpp"
#include "comm/transport/connection.hpp"

namespace firecaffe::comm {

class Lobby {
  public:
    struct Guest {
        Connection connection;
        Hello hello;
    };

    using Welcome = std::function<void(Guest)>;

    /// `self`: the rank that guests must ask for. `encryption`: what is wanted of them; who says another one comes in
    /// all the same, so that its owner can tell it.
    Lobby(UniqueFd listener, const JobKeys& keys, const JobId& job, Rank self, Encryption encryption);

    /// Readable when serve() has something to do.
    int poll_fd() const { return epoll_.get(); }
    /// Takes every step that is possible now; hands to `welcome` each guest who has proved itself, was told so, and is
    /// expected at that very moment: `expected` is asked again when TLS is through, and sees the guests before. Call it
    /// at least every second. Throws UnavailableError when descriptors run out or TLS is wanted and cannot be done, and
    /// what `welcome` throws.
    void serve(const Doorkeeper::Expected& expected, const Welcome& welcome);

    Failures failures() const { return {doorkeeper_.strangers(), failed_}; }

  private:
    struct Beginner {
        Guest guest;
        Time deadline;
    };
    using Beginners = std::map<Doorkeeper::Id, Beginner>;

    void accept_all(Time now);
    /// The connection that has waited longest goes; false if there is none.
    bool drop_one();
    void hear(Doorkeeper::Id id, const Doorkeeper::Expected& expected, const Welcome& welcome);
    /// Empty if TLS cannot be done, and is not wanted.
    std::optional<Connection> open(UniqueFd fd, const Doorkeeper::Word& word) const;
    void shake_hands(Beginners::iterator entry, const Doorkeeper::Expected& expected, const Welcome& welcome);
    void give_up(Beginners::iterator entry);

    UniqueFd listener_, epoll_;
    const Rank self_;
    const Encryption encryption_;
    const JobKeys keys_;
    Doorkeeper doorkeeper_;
    std::map<Doorkeeper::Id, UniqueFd> connections_;
    Beginners beginners_;  // in TLS
    Doorkeeper::Id next_id_ = 1;
    std::uint64_t failed_ = 0;  // of beginners_
};

}  // namespace firecaffe::comm
