// SPDX-License-Identifier: Apache-2.0
// InMaster: a layer for activations of two bytes that computes in float throughout. Losses, accuracies and softmax take
// little time and would suffer from rounding in between.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Runs a layer for Master<T>. Exact bottoms and tops are read and written where they lie; of the others the layer gets
/// copies, and so do its gradients. As it computes in Master<T> anyway, any bottom may be exact. Plain layout, and no
/// parameters: setup throws UsageError for a layer that has some.
template <class T, class Device>
class InMaster final : public Layer<T, Device> {
    using R = Master<T>;

  public:
    explicit InMaster(std::unique_ptr<Layer<R, Device>> layer) : layer_(std::move(layer)) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) override {
        LayerPlan plan = layer_->setup(bottoms, phase);
        if (!plan.parameters.empty())
            throw UsageError("the layer has parameters; only layers without any can compute in float");
        bottoms_.resize(bottoms.size()), bottom_diffs_.resize(bottoms.size());
        exact_.resize(bottoms.size());
        for (std::size_t i = 0; i < bottoms.size(); ++i) {
            if (layer_->reads_exact(i)) continue;
            bottoms_[i] = Tensor<R, Device>(bottoms[i]);
            if (layer_->differentiates_bottom(i)) bottom_diffs_[i] = Tensor<R, Device>(bottoms[i]);
        }
        tops_.resize(plan.tops.size()), top_diffs_.resize(plan.tops.size());
        for (std::size_t i = 0; i < plan.tops.size(); ++i) {
            if (layer_->writes_exact(i)) continue;
            tops_[i] = Tensor<R, Device>(plan.tops[i]), top_diffs_[i] = Tensor<R, Device>(plan.tops[i]);
        }
        bottom_views_.resize(bottoms.size()), bottom_diff_views_.resize(bottoms.size());
        top_views_.resize(plan.tops.size()), top_data_views_.resize(plan.tops.size());
        top_diff_views_.resize(plan.tops.size());
        return plan;
    }
    bool differentiates_bottom(std::size_t i) const override { return layer_->differentiates_bottom(i); }
    bool reads_exact(std::size_t i) const override {
        return layer_->reads_exact(i) || (i < exact_.size() && exact_[i] != 0);
    }
    bool read_exactly(std::size_t i) override {
        exact_[i] = 1;
        bottoms_[i] = {}, bottom_diffs_[i] = {};  // no copies of it
        return true;
    }
    bool writes_exact(std::size_t i) const override { return layer_->writes_exact(i); }
    double loss_weight(std::size_t i) const override { return layer_->loss_weight(i); }
    /// What the layer reads in backward, it reads in its copies.
    bool backward_reads_bottoms() const override { return layer_->backward_reads_bottoms() && has_exact_bottom(); }
    bool backward_reads_tops() const override { return layer_->backward_reads_tops() && has_exact_top(); }

    void check_last_pass() override { layer_->check_last_pass(); }

    void forward(const ForwardPass<T, Device>& pass) override {
        bring_bottoms(pass.bottoms);
        for (std::size_t i = 0; i < tops_.size(); ++i)
            top_views_[i] = layer_->writes_exact(i) ? exact_view(pass.tops[i]) : tops_[i].view();
        layer_->forward({.bottoms = bottom_views_,
                         .tops = top_views_,
                         .parameters = {},
                         .key = pass.key,
                         .layer = pass.layer,
                         .phase = pass.phase});
        for (std::size_t i = 0; i < tops_.size(); ++i)
            if (!layer_->writes_exact(i))
                ops::convert<R, T, Device>(std::as_const(tops_[i]).storage(), pass.tops[i].storage());
    }

    void backward(const BackwardPass<T, Device>& pass) override {
        for (std::size_t i = 0; i < bottoms_.size(); ++i) {
            const bool exact = reads_exact(i);
            const bool wanted = pass.bottom_diffs[i].data() != nullptr;
            bottom_views_[i] = exact ? exact_view(pass.bottoms[i]) : std::as_const(bottoms_[i]).view();
            bottom_diff_views_[i] = wanted && !exact ? bottom_diffs_[i].view() : exact_view(pass.bottom_diffs[i]);
        }
        for (std::size_t i = 0; i < tops_.size(); ++i) {
            const bool exact = layer_->writes_exact(i);
            if (!exact) ops::convert<T, R, Device>(pass.top_diffs[i].storage(), top_diffs_[i].storage());
            top_data_views_[i] = exact ? exact_view(pass.tops[i]) : std::as_const(tops_[i]).view();
            top_diff_views_[i] = exact ? exact_view(pass.top_diffs[i]) : std::as_const(top_diffs_[i]).view();
        }
        layer_->backward({.bottoms = bottom_views_,
                          .tops = top_data_views_,
                          .top_diffs = top_diff_views_,
                          .bottom_diffs = bottom_diff_views_,
                          .parameters = {},
                          .parameter_diffs = {},
                          .key = pass.key,
                          .layer = pass.layer});
        for (std::size_t i = 0; i < bottoms_.size(); ++i)
            if (bottom_diff_views_[i].data() != nullptr && !reads_exact(i))
                ops::convert<R, T, Device>(std::as_const(bottom_diffs_[i]).storage(), pass.bottom_diffs[i].storage());
    }

  private:
    void bring_bottoms(std::span<const TensorView<const T, Device>> given) {
        for (std::size_t i = 0; i < bottoms_.size(); ++i) {
            if (reads_exact(i)) {
                bottom_views_[i] = exact_view(given[i]);
                continue;
            }
            ops::convert<T, R, Device>(given[i].storage(), bottoms_[i].storage());
            bottom_views_[i] = std::as_const(bottoms_[i]).view();
        }
    }
    bool has_exact_bottom() const {
        for (std::size_t i = 0; i < bottoms_.size(); ++i)
            if (reads_exact(i)) return true;
        return false;
    }
    bool has_exact_top() const {
        for (std::size_t i = 0; i < tops_.size(); ++i)
            if (layer_->writes_exact(i)) return true;
        return false;
    }

    std::unique_ptr<Layer<R, Device>> layer_;
    std::vector<char> exact_;  ///< per bottom: read_exactly() was asked for it
    std::vector<Tensor<R, Device>> bottoms_, bottom_diffs_, tops_, top_diffs_;  ///< of those that are not exact
    std::vector<TensorView<const R, Device>> bottom_views_, top_data_views_, top_diff_views_;
    std::vector<TensorView<R, Device>> top_views_, bottom_diff_views_;
};

}  // namespace firecaffe
