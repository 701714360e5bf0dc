// SPDX-License-Identifier: Apache-2.0
// Power: y = (shift + scale * x)^power.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/activation.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place where its derivative is a constant (power 1, or no x at all).
template <class T, class Device>
class PowerLayer final : public Layer<T, Device> {
  public:
    explicit PowerLayer(PowerOptions options) : parameters_{options.power, options.scale, options.shift} {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return parameters_.is_linear(); }
    bool backward_reads_bottoms() const override { return !parameters_.is_linear(); }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::power_forward<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage(), parameters_);
        ops::clear_padding<T, Device>(pass.tops[0]);
    }
    /// The padding is cleared here too: a derivative that is infinite at zero makes NaN of it.
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::power_backward<T, Device>(pass.bottoms[0].storage(), pass.top_diffs[0].storage(),
                                       pass.bottom_diffs[0].storage(), parameters_);
        ops::clear_padding<T, Device>(pass.bottom_diffs[0]);
    }

  private:
    ops::PowerParameters parameters_;
};

}  // namespace firecaffe
