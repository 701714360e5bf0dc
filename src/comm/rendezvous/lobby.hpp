// SPDX-License-Identifier: Apache-2.0
// Lobby: a listening socket and the connections that have not proved themselves yet; the doorkeeper decides about them.
// Never blocks. Each stranger costs one descriptor and 128 bytes, for a bounded time.
#pragma once

#include <map>
#include <vector>

#include "comm/rendezvous/doorkeeper.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

class Lobby {
  public:
    struct Guest {
        UniqueFd fd;
        Hello hello;
    };

    /// `self`: the rank that guests must ask for.
    Lobby(UniqueFd listener, const Digest& key, const JobId& job, Rank self);

    /// Readable when serve() has something to do.
    int poll_fd() const { return epoll_.get(); }
    /// Takes every step that is possible now; returns those who proved themselves and were told they are welcome, as
    /// far as `expected` agrees. Call it at least every second. Throws UnavailableError when descriptors run out.
    std::vector<Guest> serve(const Doorkeeper::Expected& expected);

    std::uint64_t strangers() const { return doorkeeper_.strangers(); }

  private:
    void accept_all(Time now);
    void hear(Doorkeeper::Id id, const Doorkeeper::Expected& expected, std::vector<Guest>& guests);

    UniqueFd listener_, epoll_;
    Rank self_;
    Doorkeeper doorkeeper_;
    std::map<Doorkeeper::Id, UniqueFd> connections_;
    Doorkeeper::Id next_id_ = 1;
};

}  // namespace firecaffe::comm
