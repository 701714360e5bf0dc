// SPDX-License-Identifier: Apache-2.0
// HingeLoss: one class against all others, loss = 1/N sum max(0, 1 - s x)^p over a batch of N samples.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/class_loss.hpp"

namespace firecaffe {

/// Bottoms: scores N x classes (all elements of a sample are scores), N labels (class numbers as T). Top: the loss, a
/// scalar. s is 1 for the label's score and -1 for the others; p is 1 or 2 by `norm`.
/// Throws DataError for a label outside [0, classes).
template <class T, class Device>
class HingeLossLayer final : public Layer<T, Device> {
  public:
    explicit HingeLossLayer(HingeLossOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape &scores = bottoms[0].shape, &labels = bottoms[1].shape;
        if (scores.rank() < 2 || labels.count() != scores[0])
            throw ShapeError("scores are ", scores, " and labels ", labels,
                             "; there must be one label for each of the ", scores[0], " samples");
        sum_ = ops::LossMemory<Device>::allocated();
        samples_ = scores[0];
        classes_ = scores.count_from(1);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    bool reads_exact(std::size_t bottom) const override { return bottom == 1; }
    bool writes_exact(std::size_t) const override { return true; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::hinge<T, Device>(pass.bottoms[0], pass.bottoms[1], options_.norm, sum_.get());
        ops::mean_loss<T, Device>(sum_.get(), samples_, pass.tops[0].data());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::hinge_backward<T, Device>(pass.bottoms[0], pass.bottoms[1], options_.norm,
                                       {pass.top_diffs[0].data(), sum_.get(), samples_}, pass.bottom_diffs[0]);
    }
    void check_last_pass() override { ops::check_labels<T, Device>(sum_.get(), 1, classes_); }

  private:
    HingeLossOptions options_;
    ops::LossMemory<Device> sum_;
    std::int64_t samples_ = 0, classes_ = 0;
};

}  // namespace firecaffe
