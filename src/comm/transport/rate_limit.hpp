// SPDX-License-Identifier: Apache-2.0
// RateLimit: one rank's link to the network as if it were slower, to try on one machine, without root, what a network
// of a given rate would do. All connections of the rank share it, each way has it whole, as a full-duplex link does. It
// knows rates only: latency stays what it is.
//
// A token bucket each way. It holds 2 ms of the rate, or 64 KiB where that is more, so that who comes late for a moment
// loses nothing; what is shorter than that is not slowed down. While it holds anything, a link may take an eighth of
// its size: the bucket then owes what it did not have. So a short message waits for what has gone before it, as in the
// queue of a network card, and never until there is enough for a long one; and none of several links takes all.
#pragma once

#include <cstddef>

#include "comm/transport/clock.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

/// Not thread-safe: its data plane holds a mutex.
class RateLimit {
  public:
    enum Way { kOut, kIn };

    /// More than 0, at most 1e15. Throws UnavailableError if the system has no descriptor left.
    explicit RateLimit(double bytes_per_second);

    /// How many bytes one link may move now, before it is the turn of the others. 0: none for a while; fd() becomes
    /// readable when some may be.
    std::size_t allowance(Way way);
    void moved(Way way, std::size_t bytes) { buckets_[way].bytes -= static_cast<double>(bytes); }

    int fd() const { return timer_.get(); }
    /// To be called when fd() is readable.
    void look();

  private:
    struct Bucket {
        double bytes;  // less than 0: owed
        Time filled;
    };

    void wake(Time at);

    const double rate_, size_;
    const std::size_t share_;
    Bucket buckets_[2];
    UniqueFd timer_;
    Time wakes_ = Time::max();  // when fd() becomes readable, or it is already
};

}  // namespace firecaffe::comm
