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
        predictions_ = bottoms[1].shape.count();
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t) const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        const std::int64_t hits = ops::count_top_k<T, Device>(pass.bottoms[0], pass.bottoms[1], top_k_, -1);
        *pass.tops[0].data() = static_cast<T>(hits) / static_cast<T>(predictions_ < 1 ? 1 : predictions_);
    }
    void backward(const BackwardPass<T, Device>&) override {}

  private:
    std::int64_t top_k_;
    std::int64_t predictions_ = 0;
};

}  // namespace firecaffe
