// SPDX-License-Identifier: Apache-2.0
// SigmoidCrossEntropyLoss: loss = -sum (t log p + (1 - t) log(1 - p)) / normalizer, p = sigmoid(predictions).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/layers/loss_normalizer.hpp"
#include "firecaffe/ops/element_loss.hpp"

namespace firecaffe {

/// Bottoms: predictions (before the sigmoid) and targets in [0, 1], both N x the same number of elements per sample.
/// Top: the loss, a scalar. The gradient of the predictions is (p - t) * top gradient / normalizer. Unlike
/// SoftmaxWithLoss it is normalised by the batch unless the options say otherwise.
template <class T, class Device>
class SigmoidCrossEntropyLossLayer final : public Layer<T, Device> {
  public:
    explicit SigmoidCrossEntropyLossLayer(SigmoidCrossEntropyLossOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape &x = bottoms[0].shape, &targets = bottoms[1].shape;
        if (x[0] != targets[0] || x.count() != targets.count())
            throw ShapeError("the predictions are ", x, " and the targets ", targets,
                             "; there must be one target for each prediction of each sample");
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        const TensorView<const T, Device>& x = pass.bottoms[0];
        const ops::LossSum sum = ops::sigmoid_cross_entropy<T, Device>(x, pass.bottoms[1], options_.ignore_label);
        normalizer_ = loss_normalizer(options_.normalization, sum.counted, x.count(), x.shape()[0]);
        *pass.tops[0].data() = static_cast<T>(sum.loss / normalizer_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        const T scale = *pass.top_diffs[0].data() / static_cast<T>(normalizer_);
        ops::sigmoid_cross_entropy_backward<T, Device>(pass.bottoms[0], pass.bottoms[1], options_.ignore_label, scale,
                                                       pass.bottom_diffs[0]);
    }

  private:
    SigmoidCrossEntropyLossOptions options_;
    double normalizer_ = 1.0;
};

}  // namespace firecaffe
