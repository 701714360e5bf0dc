// SPDX-License-Identifier: Apache-2.0
// LRN: local response normalisation across channels, y = x * (k + alpha/n * sum of n squares)^-beta.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Throws ConfigError unless local_size is odd and positive.
ops::LrnParameters lrn_parameters(const LrnOptions& options);

/// One bottom N x C x H x W, one top of the same shape.
template <class T, class Device>
class LrnLayer final : public Layer<T, Device> {
  public:
    explicit LrnLayer(LrnOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        op_ = ops::make_lrn<T, Device>(lrn_parameters(options_), bottoms[0]);
        return {{op_->output()}, {}};
    }
    bool accepts_any_layout() const override { return true; }

    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms[0], pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward(pass.bottoms[0], pass.tops[0], pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    LrnOptions options_;
    std::unique_ptr<ops::Lrn<T, Device>> op_;
};

}  // namespace firecaffe
