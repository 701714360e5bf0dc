// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/net/builder.hpp"

#include <utility>

namespace firecaffe {

NetBuilder::NetBuilder(std::string name) {
    spec_.name = std::move(name);
}

NetBuilder& NetBuilder::convolution(std::string name, ConvolutionOptions options) {
    return add(std::move(name), "Convolution", options);
}

NetBuilder& NetBuilder::deconvolution(std::string name, ConvolutionOptions options) {
    return add(std::move(name), "Deconvolution", DeconvolutionOptions{options});
}

NetBuilder& NetBuilder::pooling(std::string name, PoolingOptions options) {
    return add(std::move(name), "Pooling", options);
}

NetBuilder& NetBuilder::inner_product(std::string name, InnerProductOptions options) {
    return add(std::move(name), "InnerProduct", options);
}

NetBuilder& NetBuilder::lrn(std::string name, LrnOptions options) {
    return add(std::move(name), "LRN", options);
}

NetBuilder& NetBuilder::batch_norm(std::string name, BatchNormOptions options) {
    return add(std::move(name), "BatchNorm", options);
}

NetBuilder& NetBuilder::scale(std::string name, ScaleOptions options) {
    return add(std::move(name), "Scale", options);
}

NetBuilder& NetBuilder::bias(std::string name, BiasOptions options) {
    return add(std::move(name), "Bias", options);
}

NetBuilder& NetBuilder::relu(ReluOptions options) {
    return add_in_place("relu", "ReLU", options);
}

NetBuilder& NetBuilder::sigmoid() {
    return add_in_place("sigmoid", "Sigmoid", SigmoidOptions{});
}

NetBuilder& NetBuilder::tanh() {
    return add_in_place("tanh", "TanH", TanhOptions{});
}

NetBuilder& NetBuilder::elu(EluOptions options) {
    return add_in_place("elu", "ELU", options);
}

NetBuilder& NetBuilder::prelu(PreluOptions options) {
    return add_in_place("prelu", "PReLU", options);
}

NetBuilder& NetBuilder::power(PowerOptions options) {
    return add_in_place("power", "Power", options);
}

NetBuilder& NetBuilder::dropout(DropoutOptions options) {
    return add_in_place("dropout", "Dropout", options);
}

NetBuilder& NetBuilder::softmax(std::string name) {
    return add(std::move(name), "Softmax", SoftmaxOptions{});
}

NetBuilder& NetBuilder::embed(std::string name, EmbedOptions options) {
    return add(std::move(name), "Embed", options);
}

NetBuilder& NetBuilder::concat(std::string name, std::vector<std::string> bottoms, ConcatOptions options) {
    return add_join(std::move(name), "Concat", std::move(bottoms), options);
}

NetBuilder& NetBuilder::eltwise(std::string name, std::vector<std::string> bottoms, EltwiseOptions options) {
    return add_join(std::move(name), "Eltwise", std::move(bottoms), std::move(options));
}

NetBuilder& NetBuilder::slice(std::string name, std::vector<std::string> tops, SliceOptions options) {
    return add_cut(std::move(name), "Slice", std::move(tops), std::move(options));
}

NetBuilder& NetBuilder::split(std::string name, std::vector<std::string> tops) {
    return add_cut(std::move(name), "Split", std::move(tops), SplitOptions{});
}

NetBuilder& NetBuilder::flatten(std::string name, FlattenOptions options) {
    return add(std::move(name), "Flatten", options);
}

NetBuilder& NetBuilder::reshape(std::string name, ReshapeOptions options) {
    return add(std::move(name), "Reshape", std::move(options));
}

NetBuilder& NetBuilder::softmax_with_loss(std::string name, SoftmaxWithLossOptions options) {
    return add_head(std::move(name), "SoftmaxWithLoss", options);
}

NetBuilder& NetBuilder::euclidean_loss(std::string name, EuclideanLossOptions options) {
    return add_head(std::move(name), "EuclideanLoss", options);
}

NetBuilder& NetBuilder::hinge_loss(std::string name, HingeLossOptions options) {
    return add_head(std::move(name), "HingeLoss", options);
}

NetBuilder& NetBuilder::sigmoid_cross_entropy_loss(std::string name, SigmoidCrossEntropyLossOptions options) {
    return add_head(std::move(name), "SigmoidCrossEntropyLoss", options);
}

NetBuilder& NetBuilder::infogain_loss(std::string name, InfogainLossOptions options) {
    return add_head(std::move(name), "InfogainLoss", std::move(options));
}

NetBuilder& NetBuilder::accuracy(std::string name, AccuracyOptions options) {
    return add_head(std::move(name), "Accuracy", options);
}

NetBuilder& NetBuilder::custom(std::string name, std::string type, CustomLayerOptions options) {
    return add(std::move(name), std::move(type), std::move(options));
}

NetBuilder& NetBuilder::from(std::string blob) {
    current_ = std::move(blob);
    return *this;
}

NetBuilder& NetBuilder::param(std::vector<ParamOptions> multipliers) {
    spec_.layers.back().param = std::move(multipliers);
    return *this;
}

NetBuilder& NetBuilder::only_in(Phase phase) {
    spec_.layers.back().in_train = phase == Phase::train;
    spec_.layers.back().in_test = phase == Phase::test;
    return *this;
}

NetSpec NetBuilder::build() const {
    return spec_;
}

NetBuilder& NetBuilder::add(std::string name, std::string type, LayerOptions options) {
    LayerSpec layer;
    layer.name = name;
    layer.type = std::move(type);
    layer.bottom = {current_};
    layer.top = {name};
    layer.options = std::move(options);
    spec_.layers.push_back(std::move(layer));
    current_ = std::move(name);
    return *this;
}

NetBuilder& NetBuilder::add_join(std::string name, std::string type, std::vector<std::string> bottoms,
                                 LayerOptions options) {
    add(std::move(name), std::move(type), std::move(options));
    spec_.layers.back().bottom = std::move(bottoms);
    return *this;
}

NetBuilder& NetBuilder::add_cut(std::string name, std::string type, std::vector<std::string> tops,
                                LayerOptions options) {
    add(std::move(name), std::move(type), std::move(options));
    if (!tops.empty()) current_ = tops.front();
    spec_.layers.back().top = std::move(tops);
    return *this;
}

NetBuilder& NetBuilder::add_in_place(const char* prefix, std::string type, LayerOptions options) {
    const std::string blob = current_;
    add(std::string(prefix) + "_" + blob, std::move(type), std::move(options));
    spec_.layers.back().top = {blob};
    current_ = blob;
    return *this;
}

NetBuilder& NetBuilder::add_head(std::string name, std::string type, LayerOptions options) {
    const std::string blob = current_;
    add(std::move(name), std::move(type), std::move(options));
    spec_.layers.back().bottom = {blob, "label"};
    current_ = blob;
    return *this;
}

}  // namespace firecaffe
