// SPDX-License-Identifier: Apache-2.0
// Reorder: copies a blob into another physical layout. The net inserts it where a layer wants plain bottoms; users
// never name it.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom in any layout, one top of the same shape in `layout`.
template <class T, class Device>
class ReorderLayer final : public Layer<T, Device> {
  public:
    explicit ReorderLayer(Layout layout) : layout_(layout) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const TensorSpec top{bottoms[0].shape, layout_};
        forward_ = ops::make_reorder<T, Device>(bottoms[0], top);
        backward_ = ops::make_reorder<T, Device>(top, bottoms[0]);
        return {{top}, {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override { forward_->run(pass.bottoms[0], pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        backward_->run(pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    Layout layout_;
    std::unique_ptr<ops::Reorder<T, Device>> forward_, backward_;
};

}  // namespace firecaffe
