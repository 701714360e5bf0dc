// SPDX-License-Identifier: Apache-2.0
// Convolution: y = conv(x, weight) + bias, with groups, stride, pad and dilation.
#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include "firecaffe/layers/builtin/joined_tops.hpp"
#include "firecaffe/layers/builtin/relu.hpp"
#include "firecaffe/layers/builtin/sibling_convolutions.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Axis-wise sizes from options in which one number may stand for both axes. Throws ConfigError when a kernel is
/// missing.
ops::ConvolutionGeometry convolution_geometry(const ConvolutionOptions& options);
/// Whether each pixel of the top is a product with one pixel of the bottom: kernel and stride 1, no pad, one group.
bool is_product_per_pixel(const ConvolutionOptions& options);

/// One bottom N x C x H x W, one top. Parameters: weight num_output x C/group x kh x kw, bias num_output.
///
/// Where the layer runs others with itself, or its top is a slice, it computes in scratch: no engine of a GPU writes or
/// reads anything but whole tensors at full speed.
template <class T, class Device>
class ConvolutionLayer final : public Layer<T, Device> {
  public:
    explicit ConvolutionLayer(ConvolutionOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        ops::ConvolutionGeometry geometry = convolution_geometry(options_);
        geometry.relu = relu_;
        LayerPlan plan;
        if (adopter_ == nullptr) make_ops(geometry, bottoms[0]);
        plan.tops = {adopter_ == nullptr ? all_->output(0) : adopter_->all_->output(place_)};
        if (tops_ != nullptr) plan.scratch = all_->output();
        plan.parameters.push_back(
            {"weight",
             Shape{geometry.num_output, bottoms[0].shape[1] / geometry.group, geometry.kernel_h, geometry.kernel_w},
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
    /// Nor while gradients are joined.
    bool absorbs_backward() const override {
        return relu_ && Tops::kMasks && (tops_ != nullptr || adopter_ != nullptr);
    }
    bool backward_reads_tops() const override { return absorbs_backward(); }

    /// Convolutions that are products of matrices become one product.
    bool adopt(Layer<T, Device>& sibling) override {
        auto* const other = dynamic_cast<ConvolutionLayer*>(&sibling);
        const bool fits = other != nullptr && adopter_ == nullptr && other->siblings_.empty() &&
                          is_product_per_pixel(options_) && is_product_per_pixel(other->options_) &&
                          other->options_.bias_term == options_.bias_term && other->relu_ == relu_ &&
                          siblings_.size() + 1 < ops::kMostChannelParts;
        if (!fits) return false;
        siblings_.push_back(other);
        other->adopter_ = this;
        other->place_ = siblings_.size();
        return true;
    }
    /// On a GPU; a CPU has other layouts.
    bool take_slice([[maybe_unused]] std::int64_t pitch) override {
        if constexpr (std::is_same_v<Device, Cuda>) {
            ConvolutionLayer& runner = adopter_ != nullptr ? *adopter_ : *this;
            if (runner.tops_ == nullptr) runner.join_tops();
            runner.tops_->take_slice(place_, pitch);
        }
        return std::is_same_v<Device, Cuda>;
    }

    void parameters_changed(std::span<const Master<T>* const> parameters) override { all_->set_parameters(parameters); }
    void forward(const ForwardPass<T, Device>& pass) override {
        all_->forward(pass.bottoms[0], tops_ != nullptr ? pass.scratch : pass.tops[0]);
        if (tops_ != nullptr) tops_->split(pass.scratch, pass.tops);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        if (tops_ != nullptr) tops_->join(pass.tops, pass.top_diffs, pass.scratch);
        all_->backward(pass.bottoms[0],
                       tops_ != nullptr ? TensorView<const T, Device>(pass.scratch) : pass.top_diffs[0],
                       pass.bottom_diffs[0], pass.parameter_diffs);
    }

  private:
    using Tops = JoinedTops<T, Device>;

    void make_ops(const ops::ConvolutionGeometry& geometry, const TensorSpec& bottom) {
        std::vector<std::int64_t> outputs{geometry.num_output};
        for (const ConvolutionLayer* sibling : siblings_) outputs.push_back(sibling->options_.num_output);
        all_ = std::make_unique<SiblingConvolutions<T, Device>>(geometry, std::move(outputs), bottom);
        if (!siblings_.empty()) join_tops();
    }
    void join_tops() {
        std::vector<TensorSpec> tops;
        for (std::size_t i = 0; i <= siblings_.size(); ++i) tops.push_back(all_->output(i));
        tops_ = std::make_unique<Tops>(tops, all_->output(), relu_);
    }

    ConvolutionOptions options_;
    bool relu_ = false;
    std::vector<ConvolutionLayer*> siblings_;  ///< that this layer runs with itself
    ConvolutionLayer* adopter_ = nullptr;      ///< that runs this one
    std::size_t place_ = 0;                    ///< of the top among those that are run together
    std::unique_ptr<SiblingConvolutions<T, Device>> all_;
    std::unique_ptr<Tops> tops_;  ///< where the passes compute in scratch
};

}  // namespace firecaffe
