// SPDX-License-Identifier: Apache-2.0
// Eltwise: the product, the weighted sum or the maximum of its bottoms, element by element.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/eltwise.hpp"

namespace firecaffe {

/// Two or more bottoms of one shape, one top of that shape. The gradient of a maximum goes to the bottom that had it;
/// ops/eltwise.hpp says to which one among equals. The gradient of a product is always taken from the other factors
/// (Caffe's stable_prod_grad), never by division.
template <class T, class Device>
class EltwiseLayer final : public Layer<T, Device> {
  public:
    explicit EltwiseLayer(EltwiseOptions options) : parameters_{options.operation, options.coeff} {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        op_ = ops::make_eltwise<T, Device>(parameters_, bottoms);
        return {{op_->output()}, {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_bottoms() const override { return parameters_.operation == ops::EltwiseOperation::prod; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms, pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward(pass.bottoms, pass.top_diffs[0], pass.bottom_diffs);
    }

  private:
    ops::EltwiseParameters parameters_;
    std::unique_ptr<ops::Eltwise<T, Device>> op_;
};

}  // namespace firecaffe
