// SPDX-License-Identifier: Apache-2.0
// Inputs whose sum over ranks is known exactly: whole numbers from 1 to 16, so small that no addition rounds; nor does
// the way, in a type that holds 16 times the ranks exactly, as bfloat16 does for up to 16 ranks and float16 for 128.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::bench {

/// An element's value depends on the rank and on one of 256 classes, into which positions are scattered: so a part that
/// is left out, added twice or put elsewhere gives a wrong sum.
class KnownSums {
  public:
    /// `wire` is the type in which elements travel: where it rounds, sums may differ by one rounding per rank.
    KnownSums(int rank, int ranks, DType wire);

    /// Writes this rank's elements. float32 or float64.
    void fill(DType dtype, std::byte* data, std::size_t count) const;
    /// How many elements are not the sum over all ranks.
    std::uint64_t count_wrong(DType dtype, const std::byte* data, std::size_t count) const;

  private:
    std::array<double, 256> own_{}, sum_{};
    double tolerance_ = 0;  // relative
};

}  // namespace firecaffe::bench
