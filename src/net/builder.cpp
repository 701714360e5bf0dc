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

NetBuilder& NetBuilder::relu(ReluOptions options) {
    return add_in_place("relu", "ReLU", options);
}

NetBuilder& NetBuilder::dropout(DropoutOptions options) {
    return add_in_place("dropout", "Dropout", options);
}

NetBuilder& NetBuilder::softmax(std::string name) {
    return add(std::move(name), "Softmax", SoftmaxOptions{});
}

NetBuilder& NetBuilder::concat(std::string name, std::vector<std::string> bottoms) {
    add(std::move(name), "Concat", ConcatOptions{});
    spec_.layers.back().bottom = std::move(bottoms);
    return *this;
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
