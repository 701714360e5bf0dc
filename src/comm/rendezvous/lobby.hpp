// SPDX-License-Identifier: Apache-2.0
// Lobby: a listening socket and the connections that have not proved themselves yet. Never blocks. Each stranger costs
// one descriptor and 128 bytes, for at most kProofSeconds; when the lobby is full the oldest one goes, because a
// genuine worker needs a moment only.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "comm/transport/socket.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"

namespace firecaffe::comm {

class Lobby {
  public:
    static constexpr std::size_t kLargest = 256;
    static constexpr double kProofSeconds = 2.0;

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
    std::vector<Guest> serve(const std::function<bool(const Hello&)>& expected);

    std::uint64_t strangers() const { return strangers_; }

  private:
    struct Pending {
        UniqueFd fd;
        ServerHandshake handshake;
        std::array<std::byte, kProofBytes> proof{};
        std::size_t received = 0;
        Time deadline;
    };
    using Entry = std::map<std::uint64_t, Pending>::iterator;

    void accept_all(Time now);
    /// True if the connection is done with, one way or the other.
    bool advance(Pending& pending, const std::function<bool(const Hello&)>& expected, std::vector<Guest>& guests);
    void drop_oldest();

    UniqueFd listener_, epoll_;
    Digest key_;
    JobId job_;
    Rank self_;
    std::map<std::uint64_t, Pending> pending_;  // in the order of arrival
    std::uint64_t next_id_ = 1, strangers_ = 0;
};

}  // namespace firecaffe::comm
