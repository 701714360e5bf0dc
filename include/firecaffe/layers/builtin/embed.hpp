// SPDX-License-Identifier: Apache-2.0
// Embed: a row of a learned table for each index, as an inner product with one-hot rows would give.
#pragma once

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/rows.hpp"

namespace firecaffe {

/// One bottom of any shape whose elements are whole numbers in [0, input_dim), stored as T; one top of that shape and
/// one more axis of num_output. Parameters: weight input_dim x num_output, bias num_output. The bottom has no gradient.
/// Throws DataError for an element that is no such number.
template <class T, class Device>
class EmbedLayer final : public Layer<T, Device> {
  public:
    explicit EmbedLayer(EmbedOptions options) : options_(options) {
        if (options.input_dim <= 0)
            throw ConfigError("input_dim is ", options.input_dim, "; state how many different indices there are");
        if (options.num_output <= 0)
            throw ConfigError("num_output is ", options.num_output, "; state a positive number of outputs");
    }

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape& bottom = bottoms[0].shape;
        std::vector<std::int64_t> top(bottom.extents().begin(), bottom.extents().end());
        top.push_back(options_.num_output);
        if (top.size() > Shape::kMaxRank)
            throw ShapeError("bottom ", bottom, " has ", bottom.rank(), " axes; with one more of ", options_.num_output,
                             " the top would have more than ", Shape::kMaxRank, "; reshape it first");
        LayerPlan plan{{TensorSpec{Shape(top), {}}}, {}};
        plan.parameters.push_back({"weight", Shape{options_.input_dim, options_.num_output}, options_.weight_filler});
        if (options_.bias_term) plan.parameters.push_back({"bias", Shape{options_.num_output}, options_.bias_filler});
        refused_ = Memory<Device>(sizeof(ops::Refused));
        return plan;
    }
    bool differentiates_bottom(std::size_t) const override { return false; }
    bool reads_exact(std::size_t) const override { return true; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::embed_forward<T, Device>(exact_view(pass.bottoms[0]).storage(), pass.parameters[0],
                                      options_.bias_term ? pass.parameters[1] : nullptr, options_.input_dim,
                                      options_.num_output, pass.tops[0].data(), refused());
    }
    void check_last_pass() override { ops::check_indices<T, Device>(refused(), options_.input_dim); }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::embed_backward<T, Device>(exact_view(pass.bottoms[0]).storage(), pass.top_diffs[0].data(),
                                       options_.input_dim, options_.num_output, pass.parameter_diffs[0],
                                       options_.bias_term ? pass.parameter_diffs[1] : nullptr);
    }

  private:
    ops::Refused* refused() const { return reinterpret_cast<ops::Refused*>(refused_.data()); }

    EmbedOptions options_;
    Memory<Device> refused_;
};

}  // namespace firecaffe
