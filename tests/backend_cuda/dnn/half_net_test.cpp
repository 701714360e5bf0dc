// SPDX-License-Identifier: Apache-2.0
// A net whose activations have two bytes beside the same net in float, both on a GPU ([cuda]).
#include <vector>

#include "backend_cuda/dnn/net_on_gpu.hpp"
#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/net/net.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/exact.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

constexpr std::int64_t kBatch = 8, kClasses = 1000;

LayerSpec layer(const char* name, LayerOptions options, std::vector<std::string> bottom, std::vector<std::string> top) {
    LayerSpec spec;
    spec.name = name;
    spec.type = kLayerTypes[options.index()];
    spec.options = std::move(options);
    spec.bottom = std::move(bottom);
    spec.top = std::move(top);
    return spec;
}

ConvolutionOptions convolution(std::int64_t outputs, std::int64_t kernel, std::int64_t pad) {
    ConvolutionOptions options;
    options.num_output = outputs;
    options.kernel_size = kernel;
    options.pad = pad;
    options.weight_filler.type = FillerOptions::Type::xavier;
    return options;
}

/// All that GoogLeNet is made of.
NetSpec net_spec() {
    PoolingOptions pool;
    pool.kernel_size = 3, pool.stride = 2;
    InnerProductOptions scores;
    scores.num_output = kClasses;
    scores.weight_filler.type = FillerOptions::Type::xavier;
    NetSpec spec;
    spec.name = "small";
    spec.layers = {
        layer("conv1", convolution(32, 5, 2), {"data"}, {"conv1"}),
        layer("relu1", ReluOptions{}, {"conv1"}, {"conv1"}),
        layer("pool1", pool, {"conv1"}, {"pool1"}),
        layer("norm1", LrnOptions{}, {"pool1"}, {"norm1"}),
        layer("a", convolution(16, 1, 0), {"norm1"}, {"a"}),
        layer("b", convolution(24, 3, 1), {"norm1"}, {"b"}),
        layer("relu_b", ReluOptions{}, {"b"}, {"b"}),
        layer("joined", ConcatOptions{}, {"a", "b"}, {"joined"}),
        layer("drop", DropoutOptions{}, {"joined"}, {"joined"}),
        layer("scores", scores, {"joined"}, {"scores"}),
        layer("loss", SoftmaxWithLossOptions{}, {"scores", "label"}, {"loss"}),
        layer("accuracy", AccuracyOptions{}, {"scores", "label"}, {"accuracy"}),
    };
    return spec;
}

struct Result {
    double loss = 0;
    float accuracy = 0;
    std::vector<float> gradients;
    std::size_t bytes = 0;
};

template <class T>
Result run() {
    const NetOptions options{.data = Shape{kBatch, 3, 24, 24}, .retain = {"accuracy"}};
    Net<T, Cuda> net(net_spec(), options, LayerRegistry<T, Cuda>::with_builtin());
    Arena<float, Cuda> parameters(net.layout()), gradients(net.layout());
    net.initialize(parameters, 3);
    net.bind(parameters);
    CHECK_FALSE(net.has_exact_data());
    give_batch(net, kClasses);
    const std::vector<std::uint64_t> samples{1, 2, 3, 4, 5, 6, 7, 8};
    const PassKey key{3, 5, samples};
    Result result;
    result.loss = net.forward(key);
    net.backward(key, gradients);
    result.gradients = on_host(gradients);
    Tensor<float, Cuda> hit(Shape{1});
    ops::copy<float, Cuda>(exact_view(net.blob("accuracy")).storage(), hit.storage());
    result.accuracy = memory_of(hit)[0];
    result.bytes = net.activation_bytes();
    return result;
}

}  // namespace

TEMPLATE_TEST_CASE("a net of two-byte activations has nearly the loss and the gradients of one of float", "[cuda]",
                   bfloat16, float16) {
    if (!has_gpu()) return;
    const Result exact = run<float>(), narrow = run<TestType>();
    CHECK(narrow.loss == Approx(exact.loss).epsilon(Tolerance<TestType>::kSum));
    CHECK(narrow.accuracy == exact.accuracy);
    CHECK(narrow.bytes < exact.bytes * 6 / 10);
    check_near<TestType>(narrow.gradients, exact.gradients);
    CHECK(run<TestType>().gradients == narrow.gradients);
}

TEST_CASE("a net of two-byte activations refuses to round labels", "[cuda]") {
    if (!has_gpu()) return;
    const auto refused = [](std::vector<LayerSpec> layers) {
        NetSpec spec;
        spec.name = "small";
        spec.layers = std::move(layers);
        Net<bfloat16, Cuda>(spec, {.data = Shape{4, 2}}, LayerRegistry<bfloat16, Cuda>::with_builtin());
    };
    EmbedOptions embed;
    embed.input_dim = embed.num_output = 5;
    CHECK_NOTHROW(refused({layer("embed", embed, {"data"}, {"embed"})}));
    InnerProductOptions two, one;
    two.num_output = 2, one.num_output = 1;
    const LayerSpec decoded = layer("ip", two, {"data"}, {"ip"}), guess = layer("ip", one, {"data"}, {"ip"});
    CHECK_NOTHROW(refused({decoded, layer("loss", EuclideanLossOptions{}, {"ip", "data"}, {"loss"})}));
    CHECK_NOTHROW(refused({guess, layer("loss", EuclideanLossOptions{}, {"ip", "label"}, {"loss"})}));
    CHECK_NOTHROW(refused({guess, layer("loss", SigmoidCrossEntropyLossOptions{}, {"ip", "label"}, {"loss"})}));
    CHECK_THROWS_WITH(refused({layer("relu", ReluOptions{}, {"label"}, {"relu"})}),
                      Catch::Matchers::Contains("'label' holds labels"));
    CHECK_THROWS_WITH(
        refused({layer("relu", ReluOptions{}, {"data"}, {"relu"}), layer("embed", embed, {"relu"}, {"embed"})}),
        Catch::Matchers::Contains("rounds it to bfloat16"));
    CHECK_THROWS_AS(refused({layer("scale", ScaleOptions{}, {"data", "data"}, {"scale"})}), ConfigError);
}
