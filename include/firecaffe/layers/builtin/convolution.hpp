// SPDX-License-Identifier: Apache-2.0
// Convolution: y = conv(x, weight) + bias, with groups, stride, pad and dilation.
#pragma once

#include <memory>

#include "firecaffe/layers/builtin/relu.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Axis-wise sizes from options in which one number may stand for both axes. Throws ConfigError when a kernel is
/// missing.
ops::ConvolutionGeometry convolution_geometry(const ConvolutionOptions& options);

/// One bottom N x C x H x W, one top. Parameters: weight num_output x C/group x kh x kw, bias num_output.
template <class T, class Device>
class ConvolutionLayer final : public Layer<T, Device> {
  public:
    explicit ConvolutionLayer(ConvolutionOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        ops::ConvolutionGeometry geometry = convolution_geometry(options_);
        geometry.relu = relu_;
        op_ = ops::make_convolution<T, Device>(geometry, bottoms[0]);
        LayerPlan plan{{op_->output()}, {}};
        plan.parameters.push_back({"weight",
                                   Shape{geometry.num_output, bottoms[0].shape[1] / geometry.group,
                                         geometry.kernel_h, geometry.kernel_w},
                                   options_.weight_filler});
        if (geometry.bias) plan.parameters.push_back({"bias", Shape{geometry.num_output}, options_.bias_filler});
        return plan;
    }
    bool accepts_any_layout() const override { return true; }
    /// A plain ReLU costs nothing while the output is in registers.
    bool absorb(const Layer<T, Device>& next) override {
        const auto* relu = dynamic_cast<const ReluLayer<T, Device>*>(&next);
        return relu_ = relu != nullptr && relu->negative_slope() == 0;
    }
    bool backward_reads_tops() const override { return false; }

    void parameters_changed(std::span<const Master<T>* const> parameters) override {
        op_->set_parameters(parameters[0], parameters.size() > 1 ? parameters[1] : nullptr);
    }
    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms[0], pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward_parameters(pass.bottoms[0], pass.top_diffs[0], pass.parameter_diffs[0],
                                 pass.parameter_diffs.size() > 1 ? pass.parameter_diffs[1] : nullptr);
        if (pass.bottom_diffs[0].data() != nullptr) op_->backward_data(pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    ConvolutionOptions options_;
    bool relu_ = false;
    std::unique_ptr<ops::Convolution<T, Device>> op_;
};

}  // namespace firecaffe
