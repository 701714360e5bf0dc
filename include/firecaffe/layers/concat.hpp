// SPDX-License-Identifier: Apache-2.0
// Concat: joins its bottoms along the channels.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One or more bottoms that agree in all but the channels, one top.
template <class T, class Device>
class ConcatLayer final : public Layer<T, Device> {
  public:
    explicit ConcatLayer(ConcatOptions) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        op_ = ops::make_concat<T, Device>(bottoms);
        return {{op_->output()}, {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms, pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward(pass.top_diffs[0], pass.bottom_diffs);
    }

  private:
    std::unique_ptr<ops::Concat<T, Device>> op_;
};

}  // namespace firecaffe
