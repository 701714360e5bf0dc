// SPDX-License-Identifier: Apache-2.0
// The library's layers without the promises by which a net saves memory: none runs in place, none is absorbed, and each
// says that its backward pass reads everything. A net of them is what a net with planned memory is compared to. (Only a
// layer that renames its bottom still does so: a copy would make the net add up gradients in another order.)
#pragma once

#include <memory>
#include <utility>

#include "firecaffe/layers/registry.hpp"

namespace firecaffe::testing {

template <class T>
class PlainLayer final : public Layer<T, Cpu> {
  public:
    explicit PlainLayer(std::unique_ptr<Layer<T, Cpu>> layer) : layer_(std::move(layer)) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase phase) override { return layer_->setup(bottoms, phase); }
    bool accepts_any_layout() const override { return layer_->accepts_any_layout(); }
    bool renames_bottom() const override { return layer_->renames_bottom(); }
    bool differentiates_bottom(std::size_t i) const override { return layer_->differentiates_bottom(i); }
    double loss_weight(std::size_t i) const override { return layer_->loss_weight(i); }
    void parameters_changed(std::span<const T* const> parameters) override { layer_->parameters_changed(parameters); }
    void forward(const ForwardPass<T, Cpu>& pass) override { layer_->forward(pass); }
    void backward(const BackwardPass<T, Cpu>& pass) override { layer_->backward(pass); }

  private:
    std::unique_ptr<Layer<T, Cpu>> layer_;
};

template <class T>
LayerRegistry<T, Cpu> plain_registry() {
    const auto builtin = LayerRegistry<T, Cpu>::with_builtin();
    LayerRegistry<T, Cpu> plain;
    for (const char* type : kLayerTypes)
        plain.add(type,
                  [builtin](const LayerSpec& spec) { return std::make_unique<PlainLayer<T>>(builtin.make(spec)); });
    return plain;
}

}  // namespace firecaffe::testing
