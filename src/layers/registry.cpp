// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/layers/registry.hpp"

#include "device/instances.hpp"
#include "firecaffe/layers/builtin/accuracy.hpp"
#include "firecaffe/layers/builtin/batch_norm.hpp"
#include "firecaffe/layers/builtin/concat.hpp"
#include "firecaffe/layers/builtin/convolution.hpp"
#include "firecaffe/layers/builtin/deconvolution.hpp"
#include "firecaffe/layers/builtin/dropout.hpp"
#include "firecaffe/layers/builtin/eltwise.hpp"
#include "firecaffe/layers/builtin/elu.hpp"
#include "firecaffe/layers/builtin/embed.hpp"
#include "firecaffe/layers/builtin/euclidean_loss.hpp"
#include "firecaffe/layers/builtin/hinge_loss.hpp"
#include "firecaffe/layers/builtin/in_master.hpp"
#include "firecaffe/layers/builtin/infogain_loss.hpp"
#include "firecaffe/layers/builtin/inner_product.hpp"
#include "firecaffe/layers/builtin/lrn.hpp"
#include "firecaffe/layers/builtin/pooling.hpp"
#include "firecaffe/layers/builtin/power.hpp"
#include "firecaffe/layers/builtin/prelu.hpp"
#include "firecaffe/layers/builtin/relu.hpp"
#include "firecaffe/layers/builtin/reshape.hpp"
#include "firecaffe/layers/builtin/scale.hpp"
#include "firecaffe/layers/builtin/sigmoid.hpp"
#include "firecaffe/layers/builtin/sigmoid_cross_entropy_loss.hpp"
#include "firecaffe/layers/builtin/slice.hpp"
#include "firecaffe/layers/builtin/softmax.hpp"
#include "firecaffe/layers/builtin/softmax_with_loss.hpp"
#include "firecaffe/layers/builtin/split.hpp"
#include "firecaffe/layers/builtin/tanh.hpp"

namespace firecaffe {

namespace {

template <class Options>
const Options& options_of(const LayerSpec& spec) {
    const auto* options = std::get_if<Options>(&spec.options);
    if (options == nullptr)
        throw ConfigError("the type is ", spec.type, " but the options are another type's; give it its own");
    return *options;
}

/// A factory for a layer class that is constructed from its own alternative of LayerOptions.
template <class LayerClass, class Options>
auto from_options() {
    return [](const LayerSpec& spec) { return std::make_unique<LayerClass>(options_of<Options>(spec)); };
}

/// The same for a layer that must know how many tops there are.
template <class LayerClass, class Options>
auto from_options_and_tops() {
    return
        [](const LayerSpec& spec) { return std::make_unique<LayerClass>(options_of<Options>(spec), spec.top.size()); };
}

/// The same for a layer to which the number of its bottoms says what it is.
template <class LayerClass, class Options>
auto from_options_and_bottoms() {
    return [](const LayerSpec& spec) {
        return std::make_unique<LayerClass>(options_of<Options>(spec), spec.bottom.size());
    };
}

/// A factory for a layer class that computes in float, whatever the type of activations is. No labels and no losses are
/// rounded then, nor what lies between the two.
template <template <class, class> class LayerClass, class Options, class T, class Device>
auto in_master() {
    return [](const LayerSpec& spec) -> std::unique_ptr<Layer<T, Device>> {
        auto layer = std::make_unique<LayerClass<Master<T>, Device>>(options_of<Options>(spec));
        if constexpr (std::is_same_v<T, Master<T>>)
            return layer;
        else
            return std::make_unique<InMaster<T, Device>>(std::move(layer));
    };
}

}  // namespace

template <class T, class Device>
LayerRegistry<T, Device> LayerRegistry<T, Device>::with_builtin() {
    LayerRegistry registry;
    registry.add("Convolution", from_options<ConvolutionLayer<T, Device>, ConvolutionOptions>());
    registry.add("Deconvolution", from_options<DeconvolutionLayer<T, Device>, DeconvolutionOptions>());
    registry.add("InnerProduct", from_options<InnerProductLayer<T, Device>, InnerProductOptions>());
    registry.add("Embed", from_options<EmbedLayer<T, Device>, EmbedOptions>());
    registry.add("Pooling", from_options<PoolingLayer<T, Device>, PoolingOptions>());
    registry.add("LRN", from_options<LrnLayer<T, Device>, LrnOptions>());
    registry.add("BatchNorm", from_options<BatchNormLayer<T, Device>, BatchNormOptions>());
    registry.add("Scale", from_options_and_bottoms<ScaleLayer<T, Device>, ScaleOptions>());
    registry.add("Bias", from_options_and_bottoms<BiasLayer<T, Device>, BiasOptions>());
    registry.add("ReLU", from_options<ReluLayer<T, Device>, ReluOptions>());
    registry.add("Sigmoid", from_options<SigmoidLayer<T, Device>, SigmoidOptions>());
    registry.add("TanH", from_options<TanhLayer<T, Device>, TanhOptions>());
    registry.add("ELU", from_options<EluLayer<T, Device>, EluOptions>());
    registry.add("PReLU", from_options<PreluLayer<T, Device>, PreluOptions>());
    registry.add("Power", from_options<PowerLayer<T, Device>, PowerOptions>());
    registry.add("Dropout", from_options<DropoutLayer<T, Device>, DropoutOptions>());
    registry.add("Concat", from_options<ConcatLayer<T, Device>, ConcatOptions>());
    registry.add("Eltwise", from_options<EltwiseLayer<T, Device>, EltwiseOptions>());
    registry.add("Slice", from_options_and_tops<SliceLayer<T, Device>, SliceOptions>());
    registry.add("Split", from_options_and_tops<SplitLayer<T, Device>, SplitOptions>());
    registry.add("Flatten", from_options<FlattenLayer<T, Device>, FlattenOptions>());
    registry.add("Reshape", from_options<ReshapeLayer<T, Device>, ReshapeOptions>());
    registry.add("Softmax", in_master<SoftmaxLayer, SoftmaxOptions, T, Device>());
    registry.add("SoftmaxWithLoss", in_master<SoftmaxWithLossLayer, SoftmaxWithLossOptions, T, Device>());
    registry.add("EuclideanLoss", in_master<EuclideanLossLayer, EuclideanLossOptions, T, Device>());
    registry.add("HingeLoss", in_master<HingeLossLayer, HingeLossOptions, T, Device>());
    registry.add("SigmoidCrossEntropyLoss",
                 in_master<SigmoidCrossEntropyLossLayer, SigmoidCrossEntropyLossOptions, T, Device>());
    registry.add("InfogainLoss", in_master<InfogainLossLayer, InfogainLossOptions, T, Device>());
    registry.add("Accuracy", in_master<AccuracyLayer, AccuracyOptions, T, Device>());
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

#define FIRECAFFE_INSTANTIATE(T, Device) template class LayerRegistry<T, Device>;
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
