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
#include <vector>

#include "firecaffe/net/spec.hpp"

namespace firecaffe {

inline FillerOptions constant(double value) { return {.type = FillerOptions::Type::constant, .value = value}; }
inline FillerOptions gaussian(double std) { return {.type = FillerOptions::Type::gaussian, .std = std}; }
inline FillerOptions xavier() { return {.type = FillerOptions::Type::xavier}; }
inline FillerOptions msra() { return {.type = FillerOptions::Type::msra}; }

class NetBuilder {
  public:
    explicit NetBuilder(std::string name);

    NetBuilder& convolution(std::string name, ConvolutionOptions options);
    NetBuilder& deconvolution(std::string name, ConvolutionOptions options);
    NetBuilder& pooling(std::string name, PoolingOptions options);
    NetBuilder& inner_product(std::string name, InnerProductOptions options);
    NetBuilder& lrn(std::string name, LrnOptions options = {});
    NetBuilder& batch_norm(std::string name, BatchNormOptions options = {});
    NetBuilder& scale(std::string name, ScaleOptions options = {});
    NetBuilder& bias(std::string name, BiasOptions options = {});
    /// From here to dropout: in place; named after the blob that the layer works on.
    NetBuilder& relu(ReluOptions options = {});
    NetBuilder& sigmoid();
    NetBuilder& tanh();
    NetBuilder& elu(EluOptions options = {});
    NetBuilder& prelu(PreluOptions options = {});
    NetBuilder& power(PowerOptions options = {});
    NetBuilder& dropout(DropoutOptions options = {});
    NetBuilder& softmax(std::string name);
    NetBuilder& embed(std::string name, EmbedOptions options);
    /// Joins blobs, along the channels unless the options say otherwise.
    NetBuilder& concat(std::string name, std::vector<std::string> bottoms, ConcatOptions options = {});
    /// Combines blobs of one shape, by a sum unless the options say otherwise.
    NetBuilder& eltwise(std::string name, std::vector<std::string> bottoms, EltwiseOptions options = {});
    /// Cuts the current blob into `tops`; the first of them becomes the current blob. So for split.
    NetBuilder& slice(std::string name, std::vector<std::string> tops, SliceOptions options = {});
    NetBuilder& split(std::string name, std::vector<std::string> tops);
    NetBuilder& flatten(std::string name, FlattenOptions options = {});
    NetBuilder& reshape(std::string name, ReshapeOptions options);
    /// A loss on the current blob and the labels; the current blob stays the same.
    NetBuilder& softmax_with_loss(std::string name = "loss", SoftmaxWithLossOptions options = {});
    NetBuilder& euclidean_loss(std::string name = "loss", EuclideanLossOptions options = {});
    NetBuilder& hinge_loss(std::string name = "loss", HingeLossOptions options = {});
    NetBuilder& sigmoid_cross_entropy_loss(std::string name = "loss", SigmoidCrossEntropyLossOptions options = {});
    NetBuilder& infogain_loss(std::string name, InfogainLossOptions options);
    NetBuilder& accuracy(std::string name = "accuracy", AccuracyOptions options = {});
    /// A layer of the program's own type, registered in its LayerRegistry.
    NetBuilder& custom(std::string name, std::string type, CustomLayerOptions options = {});

    /// The next layer reads this blob.
    NetBuilder& from(std::string blob);
    /// Multipliers and names of the parameters of the layer just added, in the order of its parameters.
    NetBuilder& param(std::vector<ParamOptions> multipliers);
    /// The layer just added exists in this phase only.
    NetBuilder& only_in(Phase phase);

    NetSpec build() const;

  private:
    NetBuilder& add(std::string name, std::string type, LayerOptions options);
    NetBuilder& add_join(std::string name, std::string type, std::vector<std::string> bottoms, LayerOptions options);
    NetBuilder& add_cut(std::string name, std::string type, std::vector<std::string> tops, LayerOptions options);
    NetBuilder& add_in_place(const char* prefix, std::string type, LayerOptions options);
    NetBuilder& add_head(std::string name, std::string type, LayerOptions options);

    NetSpec spec_;
    std::string current_ = "data";
};

}  // namespace firecaffe
