// SPDX-License-Identifier: Apache-2.0
// EuclideanLoss: loss = 1/(2N) sum (a - b)^2 over a batch of N samples.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/element_loss.hpp"

namespace firecaffe {

/// Bottoms: a and b, both N x the same number of elements per sample. Top: the loss, a scalar. Both bottoms get a
/// gradient, (a - b) * top gradient / N and its negative.
template <class T, class Device>
class EuclideanLossLayer final : public Layer<T, Device> {
  public:
    explicit EuclideanLossLayer(EuclideanLossOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape &a = bottoms[0].shape, &b = bottoms[1].shape;
        if (a[0] != b[0] || a.count_from(1) != b.count_from(1))
            throw ShapeError("the predictions are ", a, " and the targets ", b,
                             "; there must be one target for each prediction of each sample");
        sum_ = ops::LossMemory<Device>::allocated();
        samples_ = a[0];
        return {{TensorSpec{}}, {}};
    }
    bool writes_exact(std::size_t) const override { return true; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::squared_distance<T, Device>(pass.bottoms[0], pass.bottoms[1], sum_.get());
        ops::mean_loss<T, Device>(sum_.get(), 2 * samples_, pass.tops[0].data());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
            if (pass.bottom_diffs[i].data() != nullptr)
                ops::scaled_difference<T, Device>(pass.bottoms[0], pass.bottoms[1],
                                                  {pass.top_diffs[0].data(), sum_.get(), samples_, i == 1},
                                                  pass.bottom_diffs[i]);
    }

  private:
    EuclideanLossOptions options_;
    ops::LossMemory<Device> sum_;
    std::int64_t samples_ = 0;
};

}  // namespace firecaffe
