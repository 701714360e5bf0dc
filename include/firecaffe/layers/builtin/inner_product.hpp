// SPDX-License-Identifier: Apache-2.0
// InnerProduct: a fully connected layer, y = weight * x + bias over each flattened sample.
#pragma once

#include <memory>
#include <type_traits>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom of any shape N x ..., one top N x num_output. Parameters: weight num_output x (C*H*W), bias num_output.
template <class T, class Device>
class InnerProductLayer final : public Layer<T, Device> {
  public:
    explicit InnerProductLayer(InnerProductOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        if (options_.num_output <= 0)
            throw ConfigError("num_output is ", options_.num_output, "; state a positive number of outputs");
        op_ = ops::make_inner_product<T, Device>(options_.num_output, options_.bias_term, bottoms[0]);
        plain_bottom_ = {bottoms[0].shape, Layout::plain()};
        if (!bottoms[0].layout.is_plain()) to_plain_ = ops::make_reorder<T, Device>(bottoms[0], plain_bottom_);
        LayerPlan plan{{op_->output()}, {}};
        plan.parameters.push_back({"weight", Shape{options_.num_output, bottoms[0].shape.count_from(1)},
                                   options_.weight_filler});
        if (options_.bias_term) plan.parameters.push_back({"bias", Shape{options_.num_output}, options_.bias_filler});
        return plan;
    }
    bool accepts_any_layout() const override { return true; }
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

    /// Of the weight: the gradients of the tops, and the bottoms. They are multiplied by an op like that of this layer,
    /// but for the layout of its input, so that the bits are the same. There are none where these have
    /// another type than the parameters.
    std::optional<GradientFactors<Master<T>>> factors(std::size_t i) const override {
        if constexpr (kHasFactors)
            if (const Shape& bottom = plain_bottom_.shape; i == 0 && bottom.count() > 0) {
                std::shared_ptr<ops::InnerProduct<T, Device>> op =
                    ops::make_inner_product<T, Device>(options_.num_output, options_.bias_term, plain_bottom_);
                GradientFactors<T> factors{.samples = static_cast<std::size_t>(bottom[0]),
                                           .rows = static_cast<std::size_t>(options_.num_output),
                                           .columns = static_cast<std::size_t>(bottom.count_from(1))};
                factors.multiply = [op, x = plain_bottom_, y = op->output(), right = factors.right()](const T* both,
                                                                                                      T* gradient) {
                    op->backward_parameters({both + right, x}, {both, y}, gradient, nullptr);
                };
                return factors;
            }
        return std::nullopt;
    }
    void write_factors(const BackwardPass<T, Device>& pass, std::size_t i, const FactorPlace<Master<T>>& to) override {
        if constexpr (kHasFactors) {
            ops::copy<T, Device>(pass.top_diffs[0].storage(), {to.left, pass.top_diffs[0].storage().size()});
            if (to_plain_ != nullptr)
                to_plain_->run(pass.bottoms[0], {to.right, plain_bottom_});
            else
                ops::copy<T, Device>(pass.bottoms[0].storage(), {to.right, pass.bottoms[0].storage().size()});
        } else {
            Layer<T, Device>::write_factors(pass, i, to);
        }
    }

  private:
    static constexpr bool kHasFactors = std::is_same_v<T, Master<T>>;

    InnerProductOptions options_;
    TensorSpec plain_bottom_;
    std::unique_ptr<ops::InnerProduct<T, Device>> op_;
    std::unique_ptr<ops::Reorder<T, Device>> to_plain_;  ///< of the bottom, where it is not plain
};

}  // namespace firecaffe
