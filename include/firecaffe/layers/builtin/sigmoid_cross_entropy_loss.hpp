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
        sum_ = ops::LossMemory<Device>::allocated();
        divisor_ = loss_divisor(options_.normalization, x.count(), x[0]);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    bool writes_exact(std::size_t) const override { return true; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::sigmoid_cross_entropy<T, Device>(pass.bottoms[0], pass.bottoms[1], options_.ignore_label, sum_.get());
        ops::mean_loss<T, Device>(sum_.get(), divisor_, pass.tops[0].data());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::sigmoid_cross_entropy_backward<T, Device>(pass.bottoms[0], pass.bottoms[1], options_.ignore_label,
                                                       {pass.top_diffs[0].data(), sum_.get(), divisor_},
                                                       pass.bottom_diffs[0]);
    }

  private:
    SigmoidCrossEntropyLossOptions options_;
    ops::LossMemory<Device> sum_;
    std::int64_t divisor_ = 1;
};

}  // namespace firecaffe
