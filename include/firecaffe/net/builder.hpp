// SPDX-License-Identifier: Apache-2.0
// NetBuilder: a net in C++ that reads like its JSON.
//
//   const NetSpec lenet = NetBuilder("lenet")
//       .convolution("conv1", {.num_output = 20, .kernel_size = 5, .weight_filler = xavier()})
//       .pooling("pool1", {.kernel_size = 2, .stride = 2})
//       .inner_product("ip1", {.num_output = 500, .weight_filler = xavier()})
//       .relu()
//       .inner_product("ip2", {.num_output = 10, .weight_filler = xavier()})
//       .softmax_with_loss()
//       .build();
//
// Each layer reads what the one before wrote. from() starts a branch at another blob, concat() joins branches, param()
// sets the multipliers of the layer just added, only_in() its phase.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "firecaffe/net/spec.hpp"

namespace firecaffe {

inline FillerOptions constant(double value) { return {.type = FillerOptions::Type::constant, .value = value}; }
inline FillerOptions gaussian(double std) { return {.type = FillerOptions::Type::gaussian, .std = std}; }
inline FillerOptions xavier() { return {.type = FillerOptions::Type::xavier}; }
inline FillerOptions msra() { return {.type = FillerOptions::Type::msra}; }

class NetBuilder {
  public:
    explicit NetBuilder(std::string name) { spec_.name = std::move(name); }

    NetBuilder& convolution(std::string name, ConvolutionOptions options) {
        return add(std::move(name), "Convolution", options);
    }
    NetBuilder& pooling(std::string name, PoolingOptions options) { return add(std::move(name), "Pooling", options); }
    NetBuilder& inner_product(std::string name, InnerProductOptions options) {
        return add(std::move(name), "InnerProduct", options);
    }
    NetBuilder& lrn(std::string name, LrnOptions options = {}) { return add(std::move(name), "LRN", options); }
    /// In place; named after the blob it works on.
    NetBuilder& relu(ReluOptions options = {}) { return add_in_place("relu", "ReLU", options); }
    NetBuilder& dropout(DropoutOptions options = {}) { return add_in_place("dropout", "Dropout", options); }
    NetBuilder& softmax(std::string name) { return add(std::move(name), "Softmax", SoftmaxOptions{}); }

    /// Joins blobs along the channels.
    NetBuilder& concat(std::string name, std::vector<std::string> bottoms) {
        add(std::move(name), "Concat", ConcatOptions{});
        spec_.layers.back().bottom = std::move(bottoms);
        return *this;
    }
    /// A loss on the current blob and the labels; the current blob stays the same.
    NetBuilder& softmax_with_loss(std::string name = "loss", SoftmaxWithLossOptions options = {}) {
        return add_head(std::move(name), "SoftmaxWithLoss", options);
    }
    NetBuilder& accuracy(std::string name = "accuracy", AccuracyOptions options = {}) {
        return add_head(std::move(name), "Accuracy", options);
    }
    /// A layer of the program's own type, registered in its LayerRegistry.
    NetBuilder& custom(std::string name, std::string type, CustomLayerOptions options = {}) {
        return add(std::move(name), std::move(type), std::move(options));
    }

    /// The next layer reads this blob.
    NetBuilder& from(std::string blob) {
        current_ = std::move(blob);
        return *this;
    }
    /// Multipliers of the layer just added: weight, then bias.
    NetBuilder& param(std::vector<ParamOptions> multipliers) {
        spec_.layers.back().param = std::move(multipliers);
        return *this;
    }
    /// The layer just added exists in this phase only.
    NetBuilder& only_in(Phase phase) {
        spec_.layers.back().in_train = phase == Phase::train;
        spec_.layers.back().in_test = phase == Phase::test;
        return *this;
    }

    NetSpec build() const { return spec_; }

  private:
    NetBuilder& add(std::string name, std::string type, LayerOptions options) {
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
    NetBuilder& add_in_place(const char* prefix, std::string type, LayerOptions options) {
        const std::string blob = current_;
        add(std::string(prefix) + "_" + blob, std::move(type), std::move(options));
        spec_.layers.back().top = {blob};
        current_ = blob;
        return *this;
    }
    NetBuilder& add_head(std::string name, std::string type, LayerOptions options) {
        const std::string blob = current_;
        add(std::move(name), std::move(type), std::move(options));
        spec_.layers.back().bottom = {blob, "label"};
        current_ = blob;
        return *this;
    }

    NetSpec spec_;
    std::string current_ = "data";
};

}  // namespace firecaffe
