// SPDX-License-Identifier: Apache-2.0
// TanH: y = tanh(x).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/activation.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place.
template <class T, class Device>
class TanhLayer final : public Layer<T, Device> {
  public:
    explicit TanhLayer(TanhOptions) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::tanh_forward<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::tanh_backward<T, Device>(pass.tops[0].storage(), pass.top_diffs[0].storage(),
                                      pass.bottom_diffs[0].storage());
    }
};

}  // namespace firecaffe
