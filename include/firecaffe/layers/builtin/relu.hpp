// SPDX-License-Identifier: Apache-2.0
// ReLU: y = max(x, 0) + negative_slope * min(x, 0).
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom, one top of the same spec; runs in place. negative_slope must not be negative, because the backward
/// pass looks at the sign of the output.
template <class T, class Device>
class ReluLayer final : public Layer<T, Device> {
  public:
    explicit ReluLayer(ReluOptions options) : negative_slope_(static_cast<Master<T>>(options.negative_slope)) {
        if (options.negative_slope < 0)
            throw ConfigError("negative_slope is ", options.negative_slope, "; give zero or more");
    }

    Master<T> negative_slope() const { return negative_slope_; }

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::relu_forward<T, Device>(pass.bottoms[0].storage(), pass.tops[0].storage(), negative_slope_);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::relu_backward<T, Device>(pass.tops[0].storage(), pass.top_diffs[0].storage(),
                                      pass.bottom_diffs[0].storage(), negative_slope_);
    }

  private:
    Master<T> negative_slope_;
};

}  // namespace firecaffe
