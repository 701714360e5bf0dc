// SPDX-License-Identifier: Apache-2.0
// A layer without a net: set up for given bottoms, and run forward and backward on tensors that a test fills.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "firecaffe/layers/registry.hpp"

namespace firecaffe::testing {

/// `bottoms.size()` bottoms and `tops` tops. Tensors are zero at first; x, dy and the parameters are for the test to
/// fill. Parameters are not drawn.
template <class T>
class OneLayer {
  public:
    OneLayer(LayerOptions options, const std::vector<TensorSpec>& bottoms, std::size_t tops = 1) {
        LayerSpec spec;
        spec.type = kLayerTypes[options.index()];
        spec.options = std::move(options);
        spec.top.resize(tops, "top");
        layer = LayerRegistry<T, Cpu>::with_builtin().make(spec);
        plan = layer->setup(bottoms, Phase::train);
        for (const TensorSpec& bottom : bottoms) x.emplace_back(bottom), dx.emplace_back(bottom);
        for (const TensorSpec& top : plan.tops) y.emplace_back(top), dy.emplace_back(top);
        for (const ParameterRequest& p : plan.parameters)
            parameters.emplace_back(p.shape), parameter_diffs.emplace_back(p.shape);
    }

    void forward() {
        std::vector<TensorView<T, Cpu>> tops;
        for (auto& tensor : y) tops.push_back(tensor.view());
        const auto bottoms = readable(x);
        const auto values = pointers<const T>(parameters);
        layer->parameters_changed(values);
        layer->forward({bottoms, tops, values, {}, 0, Phase::train});
    }

    void backward() {
        std::vector<TensorView<T, Cpu>> bottom_diffs;
        for (std::size_t i = 0; i < dx.size(); ++i) bottom_diffs.push_back(dx[i].view());
        const auto bottoms = readable(x), tops = readable(y), top_diffs = readable(dy);
        const auto values = pointers<const T>(parameters);
        const auto diffs = pointers<T>(parameter_diffs);
        layer->backward({bottoms, tops, top_diffs, bottom_diffs, values, diffs, {}, 0});
    }

    std::unique_ptr<Layer<T, Cpu>> layer;
    LayerPlan plan;
    std::vector<Tensor<T, Cpu>> x, dx, y, dy, parameters, parameter_diffs;

  private:
    static std::vector<TensorView<const T, Cpu>> readable(const std::vector<Tensor<T, Cpu>>& tensors) {
        std::vector<TensorView<const T, Cpu>> views;
        for (const auto& tensor : tensors) views.push_back(tensor.view());
        return views;
    }
    template <class U>
    static std::vector<U*> pointers(std::vector<Tensor<T, Cpu>>& tensors) {
        std::vector<U*> found;
        for (auto& tensor : tensors) found.push_back(tensor.data());
        return found;
    }
};

template <class T>
void set(Tensor<T, Cpu>& tensor, const std::vector<T>& values) {
    if (values.size() != tensor.storage().size())
        throw ShapeError("set: ", values.size(), " values for ", tensor.spec(), "; give one for each element");
    std::copy(values.begin(), values.end(), tensor.data());
}

template <class T>
std::vector<T> values_of(const Tensor<T, Cpu>& tensor) {
    return {tensor.storage().begin(), tensor.storage().end()};
}

}  // namespace firecaffe::testing
