// SPDX-License-Identifier: Apache-2.0
// Flatten and Reshape: other axes for the same elements in the same order.
#pragma once

#include <utility>

#include "firecaffe/layers/axes.hpp"
#include "firecaffe/layers/layer.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

/// One bottom, one top with as many elements; both plain. The top lies in the bottom's memory where the net can do so;
/// elsewhere it is a copy. `Options` says how the shape changes (axes.hpp).
template <class T, class Device, class Options, Shape (*NewShape)(const Options&, const Shape&)>
class ShapeLayer final : public Layer<T, Device> {
  public:
    explicit ShapeLayer(Options options) : options_(std::move(options)) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        return {{{NewShape(options_, bottoms[0].shape), Layout::plain()}}, {}};
    }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        copy_unless_same(pass.bottoms[0].storage(), pass.tops[0].storage());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        copy_unless_same(pass.top_diffs[0].storage(), pass.bottom_diffs[0].storage());
    }

  private:
    static void copy_unless_same(std::span<const T> from, std::span<T> to) {
        if (from.data() != to.data()) ops::copy<T, Device>(from, to);
    }

    Options options_;
};

template <class T, class Device>
using FlattenLayer = ShapeLayer<T, Device, FlattenOptions, flattened>;
template <class T, class Device>
using ReshapeLayer = ShapeLayer<T, Device, ReshapeOptions, reshaped>;

}  // namespace firecaffe
