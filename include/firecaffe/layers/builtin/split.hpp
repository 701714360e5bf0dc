// SPDX-License-Identifier: Apache-2.0
// Split: gives its bottom several names. Nets that were made for Caffe have it where a blob has several readers; here
// any number of layers may read one blob.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom, any number of tops that equal it. In a net it never runs: the net gives the tops the bottom's own value
/// and adds up the gradients of all who read it.
template <class T, class Device>
class SplitLayer final : public Layer<T, Device> {
  public:
    SplitLayer(SplitOptions, std::size_t tops) : tops_(tops) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        return {std::vector<TensorSpec>(tops_, bottoms[0]), {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool renames_bottom() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        for (const TensorView<T, Device>& top : pass.tops)
            ops::copy<T, Device>(pass.bottoms[0].storage(), top.storage());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::copy<T, Device>(pass.top_diffs[0].storage(), pass.bottom_diffs[0].storage());
        for (const auto& top_diff : pass.top_diffs.subspan(1))
            ops::accumulate<T, Device>(top_diff.storage(), pass.bottom_diffs[0].storage());
    }

  private:
    std::size_t tops_;
};

}  // namespace firecaffe
