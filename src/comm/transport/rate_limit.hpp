// SPDX-License-Identifier: Apache-2.0
// RateLimit: one rank's link to the network as if it were slower, to try on one machine, without root, what a network
// of a given rate would do. All connections of the rank share it, each way has it whole, as a full-duplex link does. It
// knows rates only: latency stays what it is.
//
// A token bucket each way. It holds kBurstSeconds of the rate, so that who comes late for a moment loses nothing; what
// is shorter than that is not slowed down.
#pragma once

#include <cstddef>

#include "comm/transport/clock.hpp"
#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

/// Not thread-safe: its data plane holds a mutex.
class RateLimit {
  public:
    enum Way { kOut, kIn };

    /// More than 0. Throws UnavailableError if the system has no descriptor left.
    explicit RateLimit(double bytes_per_second);

    /// How many bytes may be moved now. 0: none for a while; fd() becomes readable when some may be.
    std::size_t allowance(Way way);
    void moved(Way way, std::size_t bytes) { buckets_[way].bytes -= static_cast<double>(bytes); }

    int fd() const { return timer_.get(); }
    /// To be called when fd() is readable.
    void look();

  private:
    struct Bucket {
        double bytes;
        Time filled;
    };

    const double rate_, size_, least_;  // least_: bytes that are worth a system call
    Bucket buckets_[2];
    UniqueFd timer_;
    bool armed_ = false;
};

}  // namespace firecaffe::comm
