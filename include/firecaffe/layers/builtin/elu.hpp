// SPDX-License-Identifier: Apache-2.0
// ELU: y = x where x > 0, else alpha * (exp(x) - 1).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/activation.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place. alpha must not be negative, because the backward pass looks at
/// the sign of the output.
template <class T, class Device>
class EluLayer final : public Layer<T, Device> {
  public:
    explicit EluLayer(EluOptions options) : alpha_(static_cast<Master<T>>(options.alpha)) {
        if (!(options.alpha >= 0)) throw ConfigError("alpha is ", options.alpha, "; give zero or more");
    }

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::elu_forward<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage(), alpha_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::elu_backward<T, Device>(pass.tops[0].storage(), pass.top_diffs[0].storage(),
                                     pass.bottom_diffs[0].storage(), alpha_);
    }

  private:
    Master<T> alpha_;
};

}  // namespace firecaffe
