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
        probabilities_ = Tensor<T, Device>(bottoms[0].shape);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::softmax<T, Device>(pass.bottoms[0], probabilities_.view());
        const ops::LossSum sum = ops::negative_log_likelihood<T, Device>(
            std::as_const(probabilities_).view(), pass.bottoms[1], options_.ignore_label);
        normalizer_ = loss_normalizer(options_.normalization, sum.counted, pass.bottoms[1].count(),
                                      pass.bottoms[0].shape()[0]);
        *pass.tops[0].data() = static_cast<T>(sum.loss / normalizer_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        const T scale = *pass.top_diffs[0].data() / static_cast<T>(normalizer_);
        ops::negative_log_likelihood_backward<T, Device>(std::as_const(probabilities_).view(), pass.bottoms[1],
                                                         options_.ignore_label, scale, pass.bottom_diffs[0]);
    }

  private:
    SoftmaxWithLossOptions options_;
    Tensor<T, Device> probabilities_;
    double normalizer_ = 1.0;
};

}  // namespace firecaffe
