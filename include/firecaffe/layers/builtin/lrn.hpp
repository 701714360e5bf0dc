// SPDX-License-Identifier: Apache-2.0
// LRN: local response normalisation, y = x * s^-beta. Across channels s = k + alpha/n * the sum of n squares; within a
// channel s = 1 + alpha * the mean of n x n squares, positions beyond the map counting as zeros (Caffe's AVE pooling).
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Throws ConfigError unless local_size is odd and positive, and k is 1 within a channel.
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
    /// Within a channel the positions of a map must lie side by side.
    bool accepts_any_layout() const override { return options_.norm_region == ops::NormRegion::across_channels; }

    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms[0], pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward(pass.bottoms[0], pass.tops[0], pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    LrnOptions options_;
    std::unique_ptr<ops::Lrn<T, Device>> op_;
};

}  // namespace firecaffe
