// SPDX-License-Identifier: Apache-2.0
// What recursive doubling, and halving and doubling, share: 2^k ranks that meet at distances 1, 2, 4, ...; the others
// are folded into neighbours.
#pragma once

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {

/// Let 2^levels be the greatest power of two that is not above the number of ranks. Of the first 2 * folded ranks, rank
/// 2i + 1 is folded into rank 2i; those that are left are numbered 0..2^levels - 1.
class Butterfly {
  public:
    explicit Butterfly(int ranks) : ranks_(ranks) {
        while ((2 << levels_) <= ranks) ++levels_;
        folded_ = ranks - size();
    }
    int levels() const { return levels_; }
    int size() const { return 1 << levels_; }
    int folded() const { return folded_; }
    Rank rank_of(int number) const { return number < folded_ ? 2 * number : number + folded_; }
    /// The rank that is folded into that of `number`, below folded().
    Rank folded_into(int number) const { return 2 * number + 1; }

    /// Whether all that have met after each round bring a node of the canonical tree over so many shards.
    bool keeps_order(int shards) const;

    /// A round in which each folded rank gives all it has to its neighbour; and one in which it gets the sum.
    void fold(Plan& plan) const;
    void unfold(Plan& plan) const;

    /// The messages of one round, both ways: of every number, meet(number, partner).
    template <class Meet>
    void exchange(Plan& plan, int level, const Meet& meet) const {
        for (int number = 0; number < size(); ++number) meet(number, number ^ (1 << level));
        ++plan.rounds;
    }

  private:
    int ranks_;
    int levels_ = 0;
    int folded_ = 0;
};

}  // namespace firecaffe::comm
