// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/core/random.hpp"

#include <cmath>

namespace firecaffe {

double RandomStream::normal(std::uint64_t i) const {
    const std::uint64_t pair = i / 2 * 2;
    const double u1 = (bits(pair) + 1.0) * 0x1p-32;  // (0, 1]
    const double u2 = bits(pair + 1) * 0x1p-32;
    const double radius = std::sqrt(-2.0 * std::log(u1));
    constexpr double kTwoPi = 6.283185307179586;
    return radius * (i % 2 == 0 ? std::cos(kTwoPi * u2) : std::sin(kTwoPi * u2));
}

}  // namespace firecaffe
