// SPDX-License-Identifier: Apache-2.0
// Where an op that judges a batch puts its result: into memory of its device, so that a GPU goes on without the host.
// What becomes of it, the top of a loss layer and the scale of its gradient, is computed there, too, by the same
// formula on each device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "firecaffe/device/memory.hpp"

namespace firecaffe::ops {

/// What an op on a GPU met that is not what it must be, such as a label that is no class. It cannot throw there; one on
/// the CPU throws at once.
struct Refused {
    std::int64_t count;
    std::int64_t first;  ///< number of the first one; means nothing while count is 0
    double value;        ///< of the first one
};

struct LossSum {
    double loss;           ///< summed in double, or how many hits; a NaN where something was refused
    std::int64_t counted;  ///< terms that count: those with a label that is not ignored
    Refused refused;
};

/// In how many parts a GPU forms a sum at most, side by side.
inline constexpr std::int64_t kLossParts = 1024;

/// A LossSum on a device and, on a GPU, behind it those of the parts. Ops get it as a LossSum*. Zero at first: nothing
/// is counted, and nothing is refused.
template <class Device>
class LossMemory {
  public:
    /// Nothing, until one that is allocated is moved here.
    LossMemory() = default;

    static LossMemory allocated() {
        LossMemory made;
        const std::int64_t parts = std::is_same_v<Device, Cpu> ? 0 : kLossParts;
        made.memory_ = Memory<Device>(static_cast<std::size_t>(1 + parts) * sizeof(LossSum));
        return made;
    }

    LossSum* get() const { return reinterpret_cast<LossSum*>(memory_.data()); }

  private:
    Memory<Device> memory_;
};

/// In place of a divisor: as many terms as were counted, which only the device knows.
inline constexpr std::int64_t kDivideByCounted = -1;

/// At least 1, so that a batch in which nothing counts has loss 0.
constexpr double divisor_of(const LossSum& sum, std::int64_t divisor) {
    const std::int64_t n = divisor == kDivideByCounted ? sum.counted : divisor;
    return static_cast<double>(n < 1 ? 1 : n);
}

template <class T>
constexpr T mean_of(const LossSum& sum, std::int64_t divisor) {
    return static_cast<T>(sum.loss / divisor_of(sum, divisor));
}

/// What a sum's gradient is multiplied by: the gradient of its mean over the divisor. All pointers are the device's.
template <class T>
struct LossScale {
    const T* top_diff;  ///< of the mean
    const LossSum* sum;
    std::int64_t divisor;
    bool negated = false;  ///< the other sign, for the second operand of a difference

    constexpr T value() const {
        const T scale = *top_diff / static_cast<T>(divisor_of(*sum, divisor));
        return negated ? -scale : scale;
    }
};

}  // namespace firecaffe::ops
