// SPDX-License-Identifier: Apache-2.0
// ClockTable: how many updates each worker has brought, as one server sees it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "firecaffe/comm/plan.hpp"

namespace firecaffe::comm {

class ClockTable {
  public:
    static constexpr std::int64_t kNobody = std::numeric_limits<std::int64_t>::max();

    ClockTable(int ranks, const std::vector<Rank>& workers) : clocks_(static_cast<std::size_t>(ranks), kNobody) {
        for (const Rank worker : workers) clocks_[at(worker)] = 0;
    }

    /// Whether updates may still come from this rank.
    bool works(Rank rank) const { return clocks_[at(rank)] != kNobody; }
    bool anybody_works() const { return least() != kNobody; }
    void tick(Rank worker) { ++clocks_[at(worker)]; }
    /// It brings no more: nobody waits for it.
    void leave(Rank worker) { clocks_[at(worker)] = kNobody; }

    std::int64_t of(Rank worker) const { return clocks_[at(worker)]; }
    /// Of those who work; kNobody without any.
    std::int64_t least() const { return *std::ranges::min_element(clocks_); }
    /// Of those who work, but for `self`; kNobody without another.
    std::int64_t least_but(Rank self) const {
        const Rank slowest = slowest_but(self);
        return slowest < 0 ? kNobody : of(slowest);
    }
    /// The first of those that are furthest behind, but for `self`; -1 without another.
    Rank slowest_but(Rank self) const {
        Rank slowest = -1;
        for (Rank rank = 0; rank < static_cast<Rank>(clocks_.size()); ++rank)
            if (rank != self && works(rank) && (slowest < 0 || of(rank) < of(slowest))) slowest = rank;
        return slowest;
    }

  private:
    static std::size_t at(Rank rank) { return static_cast<std::size_t>(rank); }

    std::vector<std::int64_t> clocks_;  // by rank; kNobody: not a worker, or not any more
};

}  // namespace firecaffe::comm
