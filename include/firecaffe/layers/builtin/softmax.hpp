// SPDX-License-Identifier: Apache-2.0
// Softmax over the channels, for nets that give probabilities.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom N x C x ..., one top of the same shape; both plain.
template <class T, class Device>
class SoftmaxLayer final : public Layer<T, Device> {
  public:
    explicit SoftmaxLayer(SoftmaxOptions) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::softmax<T, Device>(pass.bottoms[0], pass.tops[0]);
    }
    /// dx = (dy - sum over channels of dy * y) * y.
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::softmax_backward<T, Device>(pass.tops[0], pass.top_diffs[0], pass.bottom_diffs[0]);
    }
};

}  // namespace firecaffe
