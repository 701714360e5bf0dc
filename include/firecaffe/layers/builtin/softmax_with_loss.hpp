// SPDX-License-Identifier: Apache-2.0
// SoftmaxWithLoss: loss = -sum log p(label) / normalizer, p = softmax(scores) over the channels.
#pragma once

#include <utility>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/layers/loss_normalizer.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Bottoms: scores N x C x spatial, labels N x spatial (class numbers as T). Top: the loss, a scalar. The gradient of
/// the scores is (p - onehot) * top gradient / normalizer; the net sets the top's gradient to loss_weight.
/// Throws DataError for a label outside [0, C) that is not ignore_label.
template <class T, class Device>
class SoftmaxWithLossLayer final : public Layer<T, Device> {
  public:
    explicit SoftmaxWithLossLayer(SoftmaxWithLossOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        require_label_per_prediction(bottoms[0].shape, bottoms[1].shape);
        const Shape& scores = bottoms[0].shape;
        probabilities_ = Tensor<T, Device>(scores);
        sum_ = ops::LossMemory<Device>::allocated();
        divisor_ = loss_divisor(options_.normalization, bottoms[1].shape.count(), scores[0]);
        classes_ = scores[1];
        positions_ = scores.count_from(2);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    bool reads_exact(std::size_t bottom) const override { return bottom == 1; }
    bool writes_exact(std::size_t) const override { return true; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::softmax<T, Device>(pass.bottoms[0], probabilities_.view());
        ops::negative_log_likelihood<T, Device>(std::as_const(probabilities_).view(), pass.bottoms[1],
                                                options_.ignore_label, sum_.get());
        ops::mean_loss<T, Device>(sum_.get(), divisor_, pass.tops[0].data());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::negative_log_likelihood_backward<T, Device>(
            std::as_const(probabilities_).view(), pass.bottoms[1], options_.ignore_label,
            {pass.top_diffs[0].data(), sum_.get(), divisor_}, pass.bottom_diffs[0]);
    }
    void check_last_pass() override { ops::check_labels<T, Device>(sum_.get(), positions_, classes_); }

  private:
    SoftmaxWithLossOptions options_;
    Tensor<T, Device> probabilities_;
    ops::LossMemory<Device> sum_;
    std::int64_t divisor_ = 1, classes_ = 0, positions_ = 0;
};

}  // namespace firecaffe
