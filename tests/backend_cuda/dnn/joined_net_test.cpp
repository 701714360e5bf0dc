// SPDX-License-Identifier: Apache-2.0
// Siblings that run as one, and concats in place, in nets on a GPU ([cuda]); and that GoogLeNet's are found, without
// one.
#include <set>
#include <variant>
#include <vector>

#include "backend_cuda/dnn/net_on_gpu.hpp"
#include "catch.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/net/builder.hpp"
#include "firecaffe/net/net.hpp"
#include "support/gpu.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

constexpr std::int64_t kBatch = 8, kClasses = 10;

ConvolutionOptions square(std::int64_t outputs, std::int64_t side) {
    return {.num_output = outputs,
            .kernel_size = side,
            .pad = side / 2,
            .weight_filler = xavier(),
            .bias_filler = gaussian(0.1)};
}

/// Two of GoogLeNet's inceptions in small. `odd`: with channels that fill no pack, of which only some are joined in
/// place.
NetSpec inceptions(bool odd) {
    NetBuilder b("inceptions");
    b.convolution("stem", square(32, 3)).relu();
    std::string below = "stem";
    for (const std::string& name : {std::string("a"), std::string("b")}) {
        b.from(below).convolution(name + "/1x1", square(16, 1)).relu();
        b.from(below).convolution(name + "/3x3_reduce", square(24, 1)).relu();
        b.convolution(name + "/3x3", square(odd ? 20 : 32, 3)).relu();
        b.from(below).convolution(name + "/5x5_reduce", square(8, 1)).relu();
        b.convolution(name + "/5x5", square(16, 5)).relu();
        b.from(below).pooling(name + "/pool", {.kernel_size = 3, .pad = 1});
        b.convolution(name + "/pool_proj", square(odd ? 12 : 8, 1));  // without a ReLU
        below = name + "/output";
        b.concat(below, {name + "/1x1", name + "/3x3", name + "/5x5", name + "/pool_proj"});
    }
    b.dropout().inner_product("scores", {.num_output = kClasses, .weight_filler = xavier()});
    return b.softmax_with_loss().build();
}

struct Result {
    double loss = 0;
    std::vector<float> gradients;
};

template <class T>
Result run(const NetSpec& spec, bool merge, bool in_place) {
    const NetOptions options{.data = Shape{kBatch, 3, 14, 14}, .merge_siblings = merge, .join_in_place = in_place};
    Net<T, Cuda> net(spec, options, LayerRegistry<T, Cuda>::with_builtin());
    Arena<float, Cuda> parameters(net.layout()), gradients(net.layout());
    net.initialize(parameters, 3);
    net.bind(parameters);
    give_batch(net, kClasses);
    const std::vector<std::uint64_t> samples{1, 2, 3, 4, 5, 6, 7, 8};
    Result result;
    for (std::uint32_t step = 0; step < 2; ++step) {  // the second one finds what the first one left
        const PassKey key{3, step, samples};
        result.loss = net.forward(key);
        net.backward(key, gradients);
    }
    result.gradients = on_host(gradients);
    return result;
}

}  // namespace

TEMPLATE_TEST_CASE("a concat in place changes no bit of a net on a GPU", "[cuda]", float, bfloat16, float16) {
    if (!has_gpu()) return;
    for (const bool odd : {false, true})
        for (const bool merge : {false, true}) {
            INFO("odd " << odd << ", merged " << merge);
            const NetSpec spec = inceptions(odd);
            const Result copied = run<TestType>(spec, merge, false), in_place = run<TestType>(spec, merge, true);
            CHECK(norm(copied.gradients) > 0);
            CHECK(in_place.loss == copied.loss);
            CHECK(in_place.gradients == copied.gradients);
        }
}

TEMPLATE_TEST_CASE("siblings that run as one have nearly the loss and the gradients that they have apart", "[cuda]",
                   float, bfloat16, float16) {
    if (!has_gpu()) return;
    for (const bool in_place : {false, true}) {
        const NetSpec spec = inceptions(false);
        const Result apart = run<TestType>(spec, false, in_place), together = run<TestType>(spec, true, in_place);
        CHECK(together.loss == Approx(apart.loss).epsilon(Tolerance<TestType>::kSum));
        check_near<TestType>(together.gradients, apart.gradients);
        CHECK(run<TestType>(spec, true, in_place).gradients == together.gradients);
    }
}

TEMPLATE_TEST_CASE("all of GoogLeNet's inceptions run their siblings together and join in place", "", float, bfloat16) {
    NetSpec spec = load_model({FIRECAFFE_SOURCE_DIR "/examples/googlenet/net.json", {}, {}}).net;
    std::erase_if(spec.layers, [](const LayerSpec& layer) {  // those below need a GPU's memory when they are set up
        return layer.type != "Convolution" && layer.type != "ReLU" && layer.type != "Pooling" &&
               layer.type != "Concat" && layer.type != "LRN";
    });
    std::erase_if(spec.layers, [](const LayerSpec& layer) { return layer.name.starts_with("loss"); });
    for (LayerSpec& layer : spec.layers)
        if (auto* pooling = std::get_if<PoolingOptions>(&layer.options)) pooling->pool = ops::PoolMethod::average;
    const auto registry = LayerRegistry<TestType, Cuda>::with_builtin();
    NetOptions options{.data = Shape{256, 3, 224, 224}, .allocate = false};
    const Net<TestType, Cuda> net(spec, options, registry);
    int concats = 0, followers = 0;
    std::set<int> leaders;
    for (const LayerSummary& layer : net.summary()) {
        INFO(layer.name);
        if (layer.type == "Concat") {
            ++concats;
            CHECK(layer.in_place == std::vector<bool>(4, true));
        }
        if (layer.run_by >= 0) {
            ++followers;
            leaders.insert(layer.run_by);
            CHECK(layer.name.ends_with("_reduce"));
        }
        if (layer.type == "ReLU") CHECK(layer.absorbed_backward == layer.name.starts_with("inception"));
    }
    CHECK(concats == 9);
    CHECK(followers == 18);
    CHECK(leaders.size() == 9);
}
