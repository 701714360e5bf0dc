// SPDX-License-Identifier: Apache-2.0
// A new order of the samples in every epoch, without a table.
#pragma once

#include <cstdint>
#include <utility>

#include "firecaffe/core/random.hpp"
#include "firecaffe/data/decorator.hpp"

namespace firecaffe {

/// A permutation of 0 .. size-1 that is a pure function of (size, seed, epoch); constant memory and time.
///
/// It is a Feistel network on pairs (left, right) in Z_a x Z_b with a*b just above `size`; its round function is
/// Philox. Results outside of the range are sent through again (cycle walking; Black and Rogaway: "Ciphers with
/// arbitrary finite domains", CT-RSA 2002), which keeps it a bijection.
class Permutation {
  public:
    Permutation(std::uint64_t size, std::uint64_t seed, std::uint32_t epoch);

    /// The image of `index`. Throws UsageError unless index < size.
    std::uint64_t operator()(std::uint64_t index) const;

  private:
    std::uint64_t size_, left_extent_, right_extent_;
    RandomStream stream_;
};

/// Sample `index` of epoch `epoch` is sample Permutation(size, seed, epoch)(index) of the inner set.
class ShuffledDataset : public DatasetDecorator {
  public:
    ShuffledDataset(DatasetPtr set, std::uint64_t seed) : DatasetDecorator(std::move(set)), seed_(seed) {}

    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override;
    bool has_bytes() const override { return inner().has_bytes(); }
    Shape byte_shape() const override { return inner().byte_shape(); }
    PixelTransform pixel_transform() const override { return inner().pixel_transform(); }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override;

  private:
    std::size_t inner_index(std::uint32_t epoch, std::size_t index) const;

    std::uint64_t seed_;
};

}  // namespace firecaffe
