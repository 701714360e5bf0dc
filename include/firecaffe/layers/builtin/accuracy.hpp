// SPDX-License-Identifier: Apache-2.0
// Accuracy: the fraction of predictions whose label is among the top_k scores.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/layers/loss_normalizer.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Bottoms: scores N x C x spatial, labels N x spatial. Top: a scalar in [0, 1]. Takes no part in the gradient.
template <class T, class Device>
class AccuracyLayer final : public Layer<T, Device> {
  public:
    explicit AccuracyLayer(AccuracyOptions options) : top_k_(options.top_k) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape& scores = bottoms[0].shape;
        require_label_per_prediction(scores, bottoms[1].shape);
        if (top_k_ < 1 || top_k_ > scores[1])
            throw ConfigError("top_k is ", top_k_, " and there are ", scores[1], " classes; take 1 to ", scores[1]);
        hits_ = ops::LossMemory<Device>::allocated();
        predictions_ = bottoms[1].shape.count();
        classes_ = scores[1];
        positions_ = scores.count_from(2);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t) const override { return false; }
    bool reads_exact(std::size_t bottom) const override { return bottom == 1; }
    bool writes_exact(std::size_t) const override { return true; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::count_top_k<T, Device>(pass.bottoms[0], pass.bottoms[1], top_k_, -1, hits_.get());
        ops::mean_loss<T, Device>(hits_.get(), predictions_, pass.tops[0].data());
    }
    void check_last_pass() override { ops::check_labels<T, Device>(hits_.get(), positions_, classes_); }
    void backward(const BackwardPass<T, Device>&) override {}

  private:
    std::int64_t top_k_;
    ops::LossMemory<Device> hits_;
    std::int64_t predictions_ = 0, classes_ = 0, positions_ = 0;
};

}  // namespace firecaffe
