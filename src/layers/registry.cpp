// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/layers/registry.hpp"

#include "firecaffe/layers/accuracy.hpp"
#include "firecaffe/layers/concat.hpp"
#include "firecaffe/layers/convolution.hpp"
#include "firecaffe/layers/deconvolution.hpp"
#include "firecaffe/layers/dropout.hpp"
#include "firecaffe/layers/euclidean_loss.hpp"
#include "firecaffe/layers/hinge_loss.hpp"
#include "firecaffe/layers/infogain_loss.hpp"
#include "firecaffe/layers/inner_product.hpp"
#include "firecaffe/layers/lrn.hpp"
#include "firecaffe/layers/pooling.hpp"
#include "firecaffe/layers/relu.hpp"
#include "firecaffe/layers/sigmoid_cross_entropy_loss.hpp"
#include "firecaffe/layers/softmax.hpp"
#include "firecaffe/layers/softmax_with_loss.hpp"

namespace firecaffe {

namespace {

/// A factory for a layer class that is constructed from its own alternative of LayerOptions.
template <class LayerClass, class Options>
auto from_options() {
    return [](const LayerSpec& spec) {
        const auto* options = std::get_if<Options>(&spec.options);
        if (options == nullptr)
            throw ConfigError("the type is ", spec.type, " but the options are another type's; give it its own");
        return std::make_unique<LayerClass>(*options);
    };
}

}  // namespace

template <class T, class Device>
LayerRegistry<T, Device> LayerRegistry<T, Device>::with_builtin() {
    LayerRegistry registry;
    registry.add("Convolution", from_options<ConvolutionLayer<T, Device>, ConvolutionOptions>());
    registry.add("Deconvolution", from_options<DeconvolutionLayer<T, Device>, DeconvolutionOptions>());
    registry.add("Pooling", from_options<PoolingLayer<T, Device>, PoolingOptions>());
    registry.add("ReLU", from_options<ReluLayer<T, Device>, ReluOptions>());
    registry.add("LRN", from_options<LrnLayer<T, Device>, LrnOptions>());
    registry.add("Dropout", from_options<DropoutLayer<T, Device>, DropoutOptions>());
    registry.add("InnerProduct", from_options<InnerProductLayer<T, Device>, InnerProductOptions>());
    registry.add("Concat", from_options<ConcatLayer<T, Device>, ConcatOptions>());
    registry.add("Softmax", from_options<SoftmaxLayer<T, Device>, SoftmaxOptions>());
    registry.add("SoftmaxWithLoss", from_options<SoftmaxWithLossLayer<T, Device>, SoftmaxWithLossOptions>());
    registry.add("EuclideanLoss", from_options<EuclideanLossLayer<T, Device>, EuclideanLossOptions>());
    registry.add("HingeLoss", from_options<HingeLossLayer<T, Device>, HingeLossOptions>());
    registry.add("SigmoidCrossEntropyLoss",
                 from_options<SigmoidCrossEntropyLossLayer<T, Device>, SigmoidCrossEntropyLossOptions>());
    registry.add("InfogainLoss", from_options<InfogainLossLayer<T, Device>, InfogainLossOptions>());
    registry.add("Accuracy", from_options<AccuracyLayer<T, Device>, AccuracyOptions>());
    return registry;
}

template <class T, class Device>
std::unique_ptr<Layer<T, Device>> LayerRegistry<T, Device>::make(const LayerSpec& spec) const {
    const auto found = factories_.find(spec.type);
    if (found == factories_.end()) {
        std::string known;
        for (const auto& [type, factory] : factories_) known += (known.empty() ? "" : ", ") + type;
        throw ConfigError("unknown type '", spec.type, "'; known are ", known);
    }
    std::unique_ptr<Layer<T, Device>> layer = found->second(spec);
    if (layer == nullptr) throw ConfigError("the factory of type '", spec.type, "' made no layer; it must return one");
    return layer;
}

template class LayerRegistry<float, Cpu>;
template class LayerRegistry<double, Cpu>;

}  // namespace firecaffe
