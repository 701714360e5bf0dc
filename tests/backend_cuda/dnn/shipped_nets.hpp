// SPDX-License-Identifier: Apache-2.0
// What the nets under examples/ ask of a GPU: every convolution, with the shape of its input.
#pragma once

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "firecaffe/config/config.hpp"
#include "firecaffe/layers/builtin/convolution.hpp"
#include "firecaffe/net/net.hpp"

namespace firecaffe::testing {

struct ShippedConvolution {
    std::string net, layer;
    ops::ConvolutionGeometry geometry;
    Shape input;               ///< with the batch that was asked for
    bool needs_data_gradient;  ///< false: it reads the images
};

struct ShippedInnerProduct {
    std::string net, layer;
    std::int64_t num_output;
    bool bias;
    Shape input;
    bool needs_data_gradient;
};

struct ShippedLayers {
    std::vector<std::string> nets;
    std::vector<ShippedConvolution> convolutions;
    std::vector<ShippedInnerProduct> inner_products;
};

/// Channels, height and width of the images that the nets of an example's folder are made for.
inline Shape image_of(const std::string& folder) {
    static const std::map<std::string, Shape> images{
        {"alexnet", {3, 227, 227}},   {"cifar10_full", {3, 32, 32}},   {"cifar10_quick", {3, 32, 32}},
        {"googlenet", {3, 224, 224}}, {"lenet", {1, 28, 28}},          {"nin", {1, 28, 28}},
        {"nin_cifar10", {3, 32, 32}}, {"nin_imagenet", {3, 224, 224}}, {"resnet18", {3, 224, 224}},
        {"resnet50", {3, 224, 224}},  {"speech", {2048, 1, 1}},        {"squeezenet", {3, 227, 227}},
        {"vgg19", {3, 224, 224}}};
    const auto found = images.find(folder);
    if (found == images.end())
        throw std::runtime_error("examples/" + folder + " has a net; add the shape of its images here");
    return found->second;
}

/// Of every net*.json under `examples`, as they train. Convolutions that a GPU runs as one stand here as they are
/// stated, and behind those of the net as they run.
inline ShippedLayers shipped_layers(const std::filesystem::path& examples, std::int64_t batch) {
    ShippedLayers all;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(examples))
        if (entry.path().extension() == ".json" && entry.path().filename().string().starts_with("net"))
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        const std::string folder = file.parent_path().filename().string();
        const Shape image = image_of(folder);
        const NetSpec spec = load_model({file.string(), {}, {}}).net;
        const NetOptions net_options{
            .data = Shape{1, image[0], image[1], image[2]}, .allocate = false, .merge_siblings = true};
        const Net<double, Cpu> net(spec, net_options, LayerRegistry<double, Cpu>::with_builtin());
        std::map<int, ShippedConvolution> stated, together;  // by the layer's number
        const std::string name = folder + '/' + file.stem().string();
        all.nets.push_back(name);
        for (const LayerSummary& layer : net.summary()) {
            if (layer.number < 0) continue;
            const LayerOptions& options = spec.layers[static_cast<std::size_t>(layer.number)].options;
            if (const auto* o = std::get_if<ConvolutionOptions>(&options)) {
                all.convolutions.push_back({name, layer.name, convolution_geometry(*o),
                                            layer.bottoms[0].shape.with_batch(batch), layer.gradients.at(0)});
                stated.emplace(layer.number, all.convolutions.back());
                if (layer.run_by < 0) continue;
                ShippedConvolution& leader = together.emplace(layer.run_by, stated.at(layer.run_by)).first->second;
                leader.geometry.num_output += o->num_output;
                leader.layer += " + " + layer.name;
            } else if (const auto* ip = std::get_if<InnerProductOptions>(&options))
                all.inner_products.push_back({name, layer.name, ip->num_output, ip->bias_term,
                                              layer.bottoms[0].shape.with_batch(batch), layer.gradients.at(0)});
        }
        for (const auto& [number, convolution] : together) all.convolutions.push_back(convolution);
    }
    return all;
}

}  // namespace firecaffe::testing
