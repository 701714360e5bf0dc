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
        return {{TensorSpec{}}, {}};
    }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        const double sum = ops::squared_distance<T, Device>(pass.bottoms[0], pass.bottoms[1]);
        *pass.tops[0].data() = static_cast<T>(sum / samples(pass.bottoms[0]) / 2);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        const T scale = *pass.top_diffs[0].data() / static_cast<T>(samples(pass.bottoms[0]));
        for (const std::size_t i : {std::size_t{0}, std::size_t{1}})
            if (pass.bottom_diffs[i].data() != nullptr)
                ops::scaled_difference<T, Device>(pass.bottoms[0], pass.bottoms[1], i == 0 ? scale : -scale,
                                                  pass.bottom_diffs[i]);
    }

  private:
    static double samples(const TensorView<const T, Device>& bottom) { return static_cast<double>(bottom.shape()[0]); }

    EuclideanLossOptions options_;
};

}  // namespace firecaffe
