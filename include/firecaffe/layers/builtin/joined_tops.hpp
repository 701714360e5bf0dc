// SPDX-License-Identifier: Apache-2.0
// JoinedTops: the tops of several layers as the channels of one tensor, which one op computes, and their gradients as
// those of its gradient.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/channel_parts.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// On the CPU a Concat; a ReLU behind the op runs its own backward pass.
template <class T, class Device>
class JoinedTops {
  public:
    static constexpr bool kMasks = false;

    /// Throws ConfigError where the layout of `all` cannot be joined of these tops.
    JoinedTops(const std::vector<TensorSpec>& tops, const TensorSpec& all, bool)
        : concat_(ops::make_concat<T, Device>(tops)) {
        if (concat_->output() != all)
            throw ConfigError("convolutions that read one bottom are to run as one, but its top ", all,
                              " would be joined as ", concat_->output(), "; leave NetOptions::merge_siblings out");
    }

    void split(TensorView<const T, Device> all, std::span<const TensorView<T, Device>> tops) {
        concat_->backward(all, tops);
    }
    void join(std::span<const TensorView<const T, Device>>, std::span<const TensorView<const T, Device>> top_diffs,
              TensorView<T, Device> all) {
        concat_->forward(top_diffs, all);
    }

  private:
    std::unique_ptr<ops::Concat<T, Device>> concat_;
};

/// On a GPU all is channels last, tops may be slices, and the backward pass of a ReLU behind the op is taken over.
template <class T>
class JoinedTops<T, Cuda> {
  public:
    static constexpr bool kMasks = true;

    /// `relu`: the tops are the outputs of ReLUs.
    JoinedTops(const std::vector<TensorSpec>& tops, const TensorSpec& all, bool relu)
        : pixels_(all.shape[0] * all.shape.count_from(2)), relu_(relu) {
        for (const TensorSpec& top : tops) parts_.push_back({nullptr, top.shape[1], top.shape[1]});
    }

    /// From now on top `i`, and its gradient, is a slice whose pixels are `pitch` elements apart.
    void take_slice(std::size_t i, std::int64_t pitch) { parts_[i].pitch = pitch; }

    void split(TensorView<const T, Cuda> all, std::span<const TensorView<T, Cuda>> tops) const {
        std::array<ops::ChannelPart<T>, ops::kMostChannelParts> parts;
        for (std::size_t i = 0; i < parts_.size(); ++i)
            parts[i] = {tops[i].data(), parts_[i].channels, parts_[i].pitch};
        ops::split_channels<T, Cuda>(all.data(), pixels_, std::span(parts).first(parts_.size()));
    }
    void join(std::span<const TensorView<const T, Cuda>> tops, std::span<const TensorView<const T, Cuda>> top_diffs,
              TensorView<T, Cuda> all) const {
        std::array<ops::ChannelPart<const T>, ops::kMostChannelParts> parts;
        for (std::size_t i = 0; i < parts_.size(); ++i)
            parts[i] = {top_diffs[i].data(), parts_[i].channels, parts_[i].pitch, relu_ ? tops[i].data() : nullptr};
        ops::join_channels<T, Cuda>(std::span(parts).first(parts_.size()), pixels_, all.data());
    }

  private:
    std::int64_t pixels_;
    bool relu_;
    std::vector<ops::ChannelPart<T>> parts_;  ///< without data
};

}  // namespace firecaffe
