// SPDX-License-Identifier: Apache-2.0
// Division by a number that stays the same: a multiplication and a shift, where a GPU has no instruction to divide.
// (Granlund and Montgomery 1994: "Division by invariant integers using multiplication", figure 4.1.)
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/device_code.hpp"

namespace firecaffe::cuda {

class Divisor {
  public:
    /// d >= 1. (Zero, the extent of an empty tensor that nobody indexes, is taken as 1.)
    explicit Divisor(std::int64_t d = 1) : d_(d > 0 ? d : 1) {
        if (d_ > std::int64_t{1} << 31) return;
        while ((std::int64_t{1} << shift_) < d_) ++shift_;
        const auto divisor = static_cast<std::uint64_t>(d_);
        multiplier_ = static_cast<std::uint32_t>((((std::uint64_t{1} << shift_) - divisor) << 32) / divisor + 1);
    }

    /// n / d for n >= 0; fast for n below 2^31.
    FIRECAFFE_HOST_DEVICE std::int64_t quotient(std::int64_t n) const {
        if ((n | d_) >> 31 != 0) return n / d_;
        const auto small = static_cast<std::uint32_t>(n);
        const auto high = static_cast<std::uint32_t>((std::uint64_t{small} * multiplier_) >> 32);
        return (high + small) >> shift_;
    }
    /// The same for n and d below 2^31, without a look at how large they are.
    FIRECAFFE_HOST_DEVICE std::int32_t small_quotient(std::int32_t n) const {
        const auto small = static_cast<std::uint32_t>(n);
        const auto high = static_cast<std::uint32_t>((std::uint64_t{small} * multiplier_) >> 32);
        return static_cast<std::int32_t>((high + small) >> shift_);
    }
    FIRECAFFE_HOST_DEVICE std::int64_t value() const { return d_; }

  private:
    std::int64_t d_;
    std::uint32_t multiplier_ = 0;
    int shift_ = 0;
};

/// A number that is split: n = quotient * d + remainder.
struct Split {
    std::int64_t quotient, remainder;
};
FIRECAFFE_HOST_DEVICE Split split(std::int64_t n, const Divisor& by) {
    const std::int64_t quotient = by.quotient(n);
    return {quotient, n - quotient * by.value()};
}

/// The same for numbers below 2^31, where a GPU would need two registers and several instructions for each of 64 bits.
struct SmallSplit {
    std::int32_t quotient, remainder;
};
FIRECAFFE_HOST_DEVICE SmallSplit small_split(std::int32_t n, const Divisor& by) {
    const std::int32_t quotient = by.small_quotient(n);
    return {quotient, n - quotient * static_cast<std::int32_t>(by.value())};
}

}  // namespace firecaffe::cuda
