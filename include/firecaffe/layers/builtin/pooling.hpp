// SPDX-License-Identifier: Apache-2.0
// Pooling: the maximum or the mean of windows, with Caffe's extents and divisors (ops/geometry.hpp).
#pragma once

#include <memory>

#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// Axis-wise sizes for this bottom. Throws ConfigError when a kernel is missing or not larger than its pad, and when
/// global_pooling is stated together with a kernel, a stride or a pad.
ops::PoolingGeometry pooling_geometry(const PoolingOptions& options, const Shape& bottom);

/// One bottom N x C x H x W, one top N x C x pooled H x pooled W.
template <class T, class Device>
class PoolingLayer final : public Layer<T, Device> {
  public:
    explicit PoolingLayer(PoolingOptions options) : options_(options) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        op_ = ops::make_pooling<T, Device>(pooling_geometry(options_, bottoms[0].shape), bottoms[0]);
        return {{op_->output()}, {}};
    }
    bool accepts_any_layout() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override { op_->forward(pass.bottoms[0], pass.tops[0]); }
    void backward(const BackwardPass<T, Device>& pass) override {
        op_->backward(pass.top_diffs[0], pass.bottom_diffs[0]);
    }

  private:
    PoolingOptions options_;
    std::unique_ptr<ops::Pooling<T, Device>> op_;
};

}  // namespace firecaffe
