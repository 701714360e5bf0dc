// SPDX-License-Identifier: Apache-2.0
// BatchNorm: y = (x - mean) / sqrt(variance + eps) per channel, as Caffe's: without factors and terms, which a Scale
// layer adds.
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/batch_norm.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom N x C x ..., one top of the same spec; runs in place.
///
/// In training mean and variance are those of the batch, which is one shard; in testing, and with use_global_stats
/// always, they are the running ones. Those are three statistics parameters: mean (C), variance (C, each batch's times
/// m / (m - 1) for m = N*H*W) and count (1). Each update makes them moving_average_fraction * value + the mean over all
/// shards of what was measured, count being measured as 1; mean / count and variance / count are what is used. A layer
/// that no loss depends on measures nothing.
///
/// Throws ConfigError for a fraction outside of [0, 1) or a negative eps, ShapeError for a bottom without channels.
template <class T, class Device>
class BatchNormLayer final : public Layer<T, Device> {
  public:
    explicit BatchNormLayer(BatchNormOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) override {
        const double fraction = options_.moving_average_fraction;
        if (!(fraction >= 0.0 && fraction < 1.0))
            throw ConfigError("moving_average_fraction is ", fraction, "; it must be at least 0 and less than 1");
        op_ = ops::make_batch_norm<T, Device>(options_.eps, bottoms[0]);
        channels_ = static_cast<std::size_t>(bottoms[0].shape[1]);
        uses_running_ = phase == Phase::test || options_.use_global_stats;
        LayerPlan plan{{op_->output()}, {}};
        const double kept = uses_running_ ? 1.0 : fraction;
        plan.parameters.push_back({"mean", Shape{bottoms[0].shape[1]}, {}, kept});
        plan.parameters.push_back({"variance", Shape{bottoms[0].shape[1]}, {}, kept});
        plan.parameters.push_back({"count", Shape{1}, {}, kept});
        return plan;
    }
    bool accepts_any_layout() const override { return true; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        if (uses_running_)
            op_->forward_with({pass.parameters[0], pass.parameters[1], pass.parameters[2]}, pass.bottoms[0],
                              pass.tops[0]);
        else
            op_->forward(pass.bottoms[0], pass.tops[0]);
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        const std::span<Master<T>* const> measured = pass.parameter_diffs;
        if (uses_running_) {  // which stay: they are kept whole, and nothing is added
            ops::clear<Master<T>, Device>({measured[0], channels_});
            ops::clear<Master<T>, Device>({measured[1], channels_});
            ops::clear<Master<T>, Device>({measured[2], 1});
        } else {
            op_->measured(measured[0], measured[1], measured[2]);
        }
        if (pass.bottom_diffs[0].data() != nullptr)
            op_->backward(pass.tops[0], pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    BatchNormOptions options_;
    bool uses_running_ = false;
    std::size_t channels_ = 0;
    std::unique_ptr<ops::BatchNorm<T, Device>> op_;
};

}  // namespace firecaffe
