// SPDX-License-Identifier: Apache-2.0
// PReLU: y = x where x > 0, else slope * x, with a slope that is learned.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/prelu.hpp"

namespace firecaffe {

/// One bottom N x C x ..., one top of the same spec. Parameter: slope, C values, or one where channel_shared. Never in
/// the memory of its bottom, because a slope may become zero or negative: the output does not tell the input then.
template <class T, class Device>
class PreluLayer final : public Layer<T, Device> {
  public:
    explicit PreluLayer(PreluOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        op_ = ops::make_prelu<T, Device>(bottoms[0], options_.channel_shared);
        return {{bottoms[0]}, {{"slope", Shape{options_.channel_shared ? 1 : bottoms[0].shape[1]}, options_.filler}}};
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        op_->forward(pass.bottoms[0], pass.parameters[0], pass.tops[0]);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward_parameters(pass.bottoms[0], pass.top_diffs[0], pass.parameter_diffs[0]);
        if (pass.bottom_diffs[0].data() != nullptr)
            op_->backward_data(pass.bottoms[0], pass.parameters[0], pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    PreluOptions options_;
    std::unique_ptr<ops::Prelu<T, Device>> op_;
};

}  // namespace firecaffe
