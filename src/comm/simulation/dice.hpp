// SPDX-License-Identifier: Apache-2.0
// Dice: random choices of a simulation, one after the other, a pure function of the seed.
#pragma once

#include <cmath>
#include <cstdint>

#include "firecaffe/core/random.hpp"

namespace firecaffe::comm {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : stream_(seed, RandomPurpose::user) {}

    /// In [0, bound).
    int below(int bound) { return static_cast<int>(stream_.below(next_++, static_cast<std::uint32_t>(bound))); }
    /// In [least, most].
    int between(int least, int most) { return least + below(most - least + 1); }
    bool chance(double probability) { return uniform() < probability; }
    double uniform() { return static_cast<double>(stream_.bits(next_++)) * 0x1p-32; }
    double uniform(double least, double most) { return least + (most - least) * uniform(); }
    /// Each power of ten is as likely as the next; least > 0.
    double spread(double least, double most) { return least * std::pow(most / least, uniform()); }

  private:
    RandomStream stream_;
    std::uint64_t next_ = 0;
};

}  // namespace firecaffe::comm
