// SPDX-License-Identifier: Apache-2.0
// Deconvolution: the transpose of Convolution. Its forward pass is the backward pass of a convolution from the top to
// the bottom, and the other way round; so it runs on ops::Convolution with the roles exchanged.
#pragma once

#include <memory>
#include <utility>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/scale.hpp"

namespace firecaffe {

/// The convolution that a deconvolution transposes: it reads the top and writes the bottom.
struct DeconvolutionPlan {
    ops::ConvolutionGeometry transposed;  ///< without bias; num_output is the bottom's channels
    Shape top;                            ///< N x num_output x H' x W'
};

/// H' = stride * (H - 1) + dilation * (kernel - 1) + 1 - 2 * pad, likewise W'. Throws ConfigError when a size is
/// missing, and ShapeError when the group does not divide the channels of both, or when padding takes the whole top
/// away.
DeconvolutionPlan plan_deconvolution(const DeconvolutionOptions& options, const Shape& bottom);

/// One bottom N x C x H x W, one top (plan_deconvolution). Parameters: weight C x num_output/group x kh x kw, bias
/// num_output.
template <class T, class Device>
class DeconvolutionLayer final : public Layer<T, Device> {
  public:
    explicit DeconvolutionLayer(DeconvolutionOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const auto [transposed, top] = plan_deconvolution(options_, bottoms[0].shape);
        op_ = ops::make_convolution<T, Device>(transposed, TensorSpec{top, Layout::plain()});
        copy_ = Tensor<T, Device>(op_->output());
        if (!(op_->output() == bottoms[0])) {
            bring_ = ops::make_reorder<T, Device>(bottoms[0], op_->output());
            deliver_ = ops::make_reorder<T, Device>(op_->output(), bottoms[0]);
        }
        LayerPlan plan{{TensorSpec{top, Layout::plain()}}, {}};
        plan.parameters.push_back(
            {"weight", Shape{bottoms[0].shape[1], top[1] / transposed.group, transposed.kernel_h, transposed.kernel_w},
             options_.weight_filler});
        if (options_.bias_term) {
            bias_ = ops::make_scale<T, Device>(plan.tops[0]);
            plan.parameters.push_back({"bias", Shape{top[1]}, options_.bias_filler});
        }
        return plan;
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_tops() const override { return false; }

    void parameters_changed(std::span<const Master<T>* const> parameters) override {
        op_->set_parameters(parameters[0], nullptr);
    }
    void forward(const ForwardPass<T, Device>& pass) override {
        op_->backward_data(brought(pass.bottoms[0]), pass.tops[0]);
        if (bias_ != nullptr) bias_->forward(pass.tops[0], nullptr, pass.parameters[1], pass.tops[0]);
    }
    /// The op may keep what it reads in its forward pass for the gradient of the weights, so that pass comes first,
    /// also where nobody wants the bottom's gradient.
    void backward(const BackwardPass<T, Device>& pass) override {
        const TensorView<T, Device> wanted = pass.bottom_diffs[0];
        const bool direct = wanted.data() != nullptr && deliver_ == nullptr;
        op_->forward(pass.top_diffs[0], direct ? wanted : copy_.view());
        if (wanted.data() != nullptr && !direct) deliver_->run(std::as_const(copy_).view(), wanted);
        op_->backward_parameters(pass.top_diffs[0], brought(pass.bottoms[0]), pass.parameter_diffs[0], nullptr);
        if (bias_ != nullptr)
            bias_->backward_parameters(pass.tops[0], pass.top_diffs[0], nullptr, pass.parameter_diffs[1]);
    }

  private:
    /// The bottom in the layout that the op has chosen.
    TensorView<const T, Device> brought(TensorView<const T, Device> bottom) {
        if (bring_ == nullptr) return bottom;
        bring_->run(bottom, copy_.view());
        return std::as_const(copy_).view();
    }

    DeconvolutionOptions options_;
    std::unique_ptr<ops::Convolution<T, Device>> op_;
    std::unique_ptr<ops::Scale<T, Device>> bias_;  ///< adds it; null without one
    std::unique_ptr<ops::Reorder<T, Device>> bring_, deliver_;  ///< null where the layouts agree
    Tensor<T, Device> copy_;                                    ///< in the op's layout: of the bottom or its gradient
};

}  // namespace firecaffe
