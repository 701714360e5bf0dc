// SPDX-License-Identifier: Apache-2.0
// Sigmoid: y = 1 / (1 + exp(-x)).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/activation.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place.
template <class T, class Device>
class SigmoidLayer final : public Layer<T, Device> {
  public:
    explicit SigmoidLayer(SigmoidOptions) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::sigmoid_forward<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage());
        ops::clear_padding<T, Device>(pass.tops[0]);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::sigmoid_backward<T, Device>(pass.tops[0].storage(), pass.top_diffs[0].storage(),
                                         pass.bottom_diffs[0].storage());
    }
};

}  // namespace firecaffe
