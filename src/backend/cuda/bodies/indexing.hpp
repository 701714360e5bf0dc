// SPDX-License-Identifier: Apache-2.0
// Where the elements of N x C x positions lie, in every layout, both ways: from a place in memory to the element, and
// from an element to its place. Threads take neighbouring places, so that a GPU reads whole lines.
#pragma once

#include <cstdint>

#include "backend/cuda/bodies/divisor.hpp"
#include "firecaffe/tensor/layout.hpp"

namespace firecaffe::cuda {

/// One element: its sample, channel and position (all axes behind the channels, in row order).
struct Element {
    std::int64_t n, c, s;
};

class Indexing {
  public:
    Indexing() : Indexing(TensorSpec{}) {}
    explicit Indexing(const TensorSpec& spec) {
        const Shape& shape = spec.shape;
        batch_ = shape.rank() > 0 ? shape[0] : 1;
        channels_ = shape.rank() > 1 ? shape[1] : 1;
        positions_ = shape.rank() > 2 ? shape.count_from(2) : 1;
        // All layouts are n, c / block, s, c % block; a plain one has blocks of one channel, and channels last one
        // block.
        std::int64_t block = 1;
        if (spec.layout.kind == Layout::Kind::blocked) block = spec.layout.channel_block;
        if (spec.layout.kind == Layout::Kind::channels_last) block = channels_;
        if (spec.layout.is_plain() && positions_ == 1) block = channels_;  // the same order
        if (block < 1) block = 1;
        block_ = Divisor(block);
        blocks_ = Divisor((channels_ + block - 1) / block);
        position_divisor_ = Divisor(positions_);
        storage_ = spec.storage();
        // The next plane after the last, too, so that a channel which does not exist may be asked for.
        is_small_ = (batch_ + 1) * (positions_ + 1) * (stored_channels() + block) < std::int64_t{1} << 31;
    }

    FIRECAFFE_HOST_DEVICE std::int64_t operator()(std::int64_t n, std::int64_t c, std::int64_t s) const {
        if (is_small_) {
            const auto sample = static_cast<std::int32_t>(n), position = static_cast<std::int32_t>(s);
            const SmallSplit channel = small_split(static_cast<std::int32_t>(c), block_);
            const auto blocks = static_cast<std::int32_t>(blocks_.value());
            const auto block = static_cast<std::int32_t>(block_.value());
            const auto positions = static_cast<std::int32_t>(positions_);
            return ((sample * blocks + channel.quotient) * positions + position) * block + channel.remainder;
        }
        const Split channel = split(c, block_);
        return ((n * blocks_.value() + channel.quotient) * positions_ + s) * block_.value() + channel.remainder;
    }

    /// The element at a place in memory. In the padding of the last block, c is channels() or more.
    FIRECAFFE_HOST_DEVICE Element at(std::int64_t place) const {
        if (is_small_) {
            const SmallSplit inner = small_split(static_cast<std::int32_t>(place), block_);
            const SmallSplit position = small_split(inner.quotient, position_divisor_);
            const SmallSplit block = small_split(position.quotient, blocks_);
            return {block.quotient, block.remainder * static_cast<std::int32_t>(block_.value()) + inner.remainder,
                    position.remainder};
        }
        const Split inner = split(place, block_);
        const Split position = split(inner.quotient, position_divisor_);
        const Split block = split(position.quotient, blocks_);
        return {block.quotient, block.remainder * block_.value() + inner.remainder, position.remainder};
    }

    FIRECAFFE_HOST_DEVICE std::int64_t batch() const { return batch_; }
    FIRECAFFE_HOST_DEVICE std::int64_t channels() const { return channels_; }
    FIRECAFFE_HOST_DEVICE std::int64_t positions() const { return positions_; }
    /// Channels in memory: those of the shape, and the padding of the last block.
    FIRECAFFE_HOST_DEVICE std::int64_t stored_channels() const { return blocks_.value() * block_.value(); }
    /// Elements in memory, with padding.
    FIRECAFFE_HOST_DEVICE std::int64_t storage() const { return storage_; }
    /// Elements from a position to the next.
    FIRECAFFE_HOST_DEVICE std::int64_t step() const { return block_.value(); }
    /// Whether N places from a multiple of N on are neighbouring channels of one position, all of them padding or none.
    template <int N>
    bool has_packs() const {
        return block_.value() % N == 0 && channels_ % N == 0;
    }
    /// Divides by positions().
    FIRECAFFE_HOST_DEVICE const Divisor& position_divisor() const { return position_divisor_; }

  private:
    std::int64_t batch_, channels_, positions_, storage_;
    Divisor block_, blocks_, position_divisor_;
    bool is_small_ = false;  ///< whether 32 bits hold all places
};

}  // namespace firecaffe::cuda
