// SPDX-License-Identifier: Apache-2.0
// Dropout: in training each element is kept with probability 1 - dropout_ratio and scaled by 1 / (1 - dropout_ratio);
// in testing the layer is the identity. What is dropped is a function of (seed, step, layer, sample, element).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place.
template <class T, class Device>
class DropoutLayer final : public Layer<T, Device> {
  public:
    explicit DropoutLayer(DropoutOptions options) : ratio_(options.dropout_ratio) {
        if (!(options.dropout_ratio >= 0 && options.dropout_ratio < 1))
            throw ConfigError("dropout_ratio is ", options.dropout_ratio, "; it must lie in [0, 1)");
    }

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        if (pass.phase == Phase::train) {
            ops::dropout<T, Device>(pass.bottoms[0], pass.tops[0], key(pass.key, pass.layer), ratio_);
        } else if (pass.tops[0].data() != pass.bottoms[0].data()) {
            ops::copy<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage());
        }
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::dropout<T, Device>(pass.top_diffs[0], pass.bottom_diffs[0], key(pass.key, pass.layer), ratio_);
    }

  private:
    static ops::DropoutKey key(const PassKey& pass, std::uint32_t layer) {
        return {pass.seed, pass.step, layer, pass.samples};
    }
    double ratio_;
};

}  // namespace firecaffe
