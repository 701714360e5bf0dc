// SPDX-License-Identifier: Apache-2.0
// Slice: cuts its bottom along one axis.
#pragma once

#include <vector>

#include "firecaffe/layers/axes.hpp"
#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/rows.hpp"

namespace firecaffe {

/// One bottom, as many tops as the net names, which together are the bottom; all plain.
template <class T, class Device>
class SliceLayer final : public Layer<T, Device> {
  public:
    SliceLayer(SliceOptions options, std::size_t tops) : options_(std::move(options)), tops_(tops) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape& bottom = bottoms[0].shape;
        const std::size_t axis = axis_of(bottom, options_.axis, "axis");
        count_ = count_before(bottom, axis);
        step_ = bottom.count_from(axis);
        LayerPlan plan;
        for (const Shape& top : sliced(options_, bottom, tops_)) {
            lengths_.push_back(top.count_from(axis));
            plan.tops.push_back({top, {}});
        }
        return plan;
    }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        const T* from = pass.bottoms[0].data();
        for (std::size_t i = 0; i < lengths_.size(); from += lengths_[i++])
            ops::copy_rows<T, Device>({from, step_}, {pass.tops[i].data(), lengths_[i]}, lengths_[i], count_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        T* to = pass.bottom_diffs[0].data();
        for (std::size_t i = 0; i < lengths_.size(); to += lengths_[i++])
            ops::copy_rows<T, Device>({pass.top_diffs[i].data(), lengths_[i]}, {to, step_}, lengths_[i], count_);
    }

  private:
    SliceOptions options_;
    std::size_t tops_;
    std::int64_t count_ = 0, step_ = 0;  ///< rows of the bottom, and elements of each
    std::vector<std::int64_t> lengths_;  ///< elements of a row of each top
};

}  // namespace firecaffe
