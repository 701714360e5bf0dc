// SPDX-License-Identifier: Apache-2.0
// Concat: joins its bottoms along one axis, as a rule the channels.
#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include "firecaffe/layers/axes.hpp"
#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/rows.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe {

/// One or more bottoms that agree in all axes but `axis`, one top. Channels (axis 1) are joined in any layout; along
/// other axes bottoms and top are plain.
template <class T, class Device>
class ConcatLayer final : public Layer<T, Device> {
  public:
    explicit ConcatLayer(ConcatOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        if (along_channels()) {
            op_ = ops::make_concat<T, Device>(bottoms);
            return {{op_->output()}, {}};
        }
        const std::size_t axis = axis_of(bottoms[0].shape, options_.axis, "axis");
        const Shape top = ops::concat_output(bottoms, axis);
        count_ = count_before(top, axis);
        step_ = top.count_from(axis);
        for (const TensorSpec& bottom : bottoms) lengths_.push_back(bottom.shape.count_from(axis));
        return {{{top, Layout::plain()}}, {}};
    }
    bool accepts_any_layout() const override { return along_channels(); }
    bool joins_channels() const override { return std::is_same_v<Device, Cuda> && along_channels(); }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        if (along_channels()) return op_->forward(pass.bottoms, pass.tops[0]);
        T* to = pass.tops[0].data();
        for (std::size_t i = 0; i < lengths_.size(); to += lengths_[i++])
            ops::copy_rows<T, Device>({pass.bottoms[i].data(), lengths_[i]}, {to, step_}, lengths_[i], count_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        if (along_channels()) return op_->backward(pass.top_diffs[0], pass.bottom_diffs);
        const T* from = pass.top_diffs[0].data();
        for (std::size_t i = 0; i < lengths_.size(); from += lengths_[i++])
            if (T* to = pass.bottom_diffs[i].data(); to != nullptr)
                ops::copy_rows<T, Device>({from, step_}, {to, lengths_[i]}, lengths_[i], count_);
    }

  private:
    bool along_channels() const { return options_.axis == 1; }

    ConcatOptions options_;
    std::unique_ptr<ops::Concat<T, Device>> op_;  ///< for channels
    std::int64_t count_ = 0, step_ = 0;           ///< otherwise: rows of the top, and elements of each
    std::vector<std::int64_t> lengths_;           ///< elements of a row of each bottom
};

}  // namespace firecaffe
