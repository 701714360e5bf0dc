// SPDX-License-Identifier: Apache-2.0
// The solvers and initial weights in examples, held against what was published. Where the numbers come from, and which
// printed ones are slips: docs/papers.md and the READMEs of the networks.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/optim/lr_policy.hpp"

using namespace firecaffe;

namespace {

struct Published {
    const char* file;  ///< below examples
    std::int64_t batch;
    double rate, weight_decay;
    std::int64_t iterations;
    std::int64_t later;  ///< an iteration that tells the policy: the first after a drop, or one on a curve
    double rate_then;
    double rate_before;  ///< of the iteration before
};

// Each of them with momentum 0.9.
const Published kPublished[] = {
    {"alexnet/author.json", 256, 0.01, 0.0005, 450'000, 100'000, 0.001, 0.01},
    {"alexnet/pmls_b2048.json", 2048, 0.04, 0.0005, 45'000, 15'000, 0.004, 0.04},
    {"cifar10_full/author.json", 100, 0.001, 0.004, 70'000, 65'000, 0.00001, 0.0001},
    {"cifar10_quick/author.json", 100, 0.001, 0.004, 5'000, 4'000, 0.0001, 0.001},
    {"googlenet/author.json", 32, 0.01, 0.0002, 2'400'000, 1'800'000, 0.005, 0.005},
    {"googlenet/author_step.json", 32, 0.01, 0.0002, 10'000'000, 640'000, 0.009216, 0.0096},
    {"googlenet/paper_b1024.json", 1024, 0.08, 0.0002, 84'375, 63'281, 0.04, 0.04},
    {"lenet/fashion_mnist.json", 64, 0.01, 0.0005, 10'000, 10'000, 0.01 * 0.594604, 0.01 * 0.594604},
    {"nin_cifar10/author.json", 128, 0.1, 0.0001, 120'000, 100'000, 0.01, 0.1},
    {"nin_cifar10/whitened.json", 128, 0.1, 0.0001, 120'000, 100'000, 0.01, 0.1},
    {"nin_imagenet/author.json", 64, 0.01, 0.0005, 450'000, 200'000, 0.001, 0.01},
    {"nin_imagenet/paper_b256.json", 256, 0.01, 0.0005, 220'000, 100'000, 0.001, 0.01},
    {"nin_imagenet/paper_b1024.json", 1024, 0.04, 0.0005, 55'000, 25'000, 0.004, 0.04},
    {"resnet18/author.json", 256, 0.1, 0.0001, 600'000, 150'000, 0.01, 0.1},
    {"resnet50/author.json", 256, 0.1, 0.0001, 600'000, 450'000, 0.0001, 0.001},
    {"squeezenet/author.json", 512, 0.04, 0.0002, 170'000, 85'000, 0.02, 0.02},
    {"vgg19/author.json", 256, 0.01, 0.0005, 370'000, 300'000, 0.00001, 0.0001},
};

TrainOptions example(const std::string& file) {
    return load_config({std::string(FIRECAFFE_SOURCE_DIR "/examples/") + file, {}, {}});
}

const FillerOptions* weights_of(const LayerSpec& layer) {
    if (const auto* convolution = std::get_if<ConvolutionOptions>(&layer.options)) return &convolution->weight_filler;
    if (const auto* product = std::get_if<InnerProductOptions>(&layer.options)) return &product->weight_filler;
    return nullptr;
}

double bias_of(const LayerSpec& layer) {
    if (const auto* convolution = std::get_if<ConvolutionOptions>(&layer.options))
        return convolution->bias_filler.value;
    return std::get<InnerProductOptions>(layer.options).bias_filler.value;
}

}  // namespace

TEST_CASE("the solvers in examples are the published ones") {
    for (const Published& known : kPublished) {
        INFO(known.file);
        const SolverOptions solver = example(known.file).solver;
        CHECK(solver.type == SolverOptions::Type::sgd);
        CHECK(solver.momentum == 0.9);
        CHECK(solver.global_batch == known.batch);
        CHECK(solver.base_lr == known.rate);
        CHECK(solver.weight_decay == known.weight_decay);
        CHECK(solver.regularization_type == Regularization::l2);
        CHECK(solver.max_iter == known.iterations);
        CHECK(learning_rate(solver, 0) == known.rate);
        CHECK(learning_rate(solver, known.later) == Approx(known.rate_then).epsilon(1e-4));
        CHECK(learning_rate(solver, known.later - 1) == Approx(known.rate_before).epsilon(1e-4));
    }
}

TEST_CASE("every solver of a paper or of an author in examples is held against what was published") {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(FIRECAFFE_SOURCE_DIR "/examples")) {
        const std::string name = entry.path().filename().string();
        if (name != "author.json" && name.find("_b") == name.npos) continue;
        if (name.starts_with("net") || name.starts_with("fashion_mnist")) continue;
        const std::string file = entry.path().parent_path().filename().string() + "/" + name;
        INFO(file << " has no row in kPublished");
        CHECK(std::any_of(std::begin(kPublished), std::end(kPublished), [&](const auto& p) { return p.file == file; }));
    }
}

TEST_CASE("NiN's initial weights are not those that slides exchange") {
    std::size_t seen = 0;
    for (const LayerSpec& layer : example("nin_imagenet/paper_b1024.json").net.layers) {
        const FillerOptions* weights = weights_of(layer);
        if (weights == nullptr) continue;
        ++seen;
        INFO(layer.name);
        const bool small = layer.name == "conv1" || layer.name == "conv3" || layer.name == "cccp8-1024";
        CHECK(weights->type == FillerOptions::Type::gaussian);
        CHECK(weights->std == (small ? 0.01 : 0.05));
        CHECK(bias_of(layer) == 0.0);
    }
    CHECK(seen == 12);
}

TEST_CASE("GoogLeNet's initial weights are Caffe's xavier, its biases 0.2, and its losses weigh 0.3, 0.3 and 1") {
    std::size_t seen = 0;
    std::vector<double> losses;
    for (const LayerSpec& layer : example("googlenet/paper_b1024.json").net.layers) {
        if (const auto* loss = std::get_if<SoftmaxWithLossOptions>(&layer.options)) losses.push_back(loss->loss_weight);
        const FillerOptions* weights = weights_of(layer);
        if (weights == nullptr) continue;
        ++seen;
        INFO(layer.name);
        CHECK(weights->type == FillerOptions::Type::xavier);
        CHECK(weights->variance_norm == FillerOptions::VarianceNorm::fan_in);
        CHECK(bias_of(layer) == (layer.name.find("classifier") == std::string::npos ? 0.2 : 0.0));
    }
    CHECK(seen == 64);
    CHECK(losses == std::vector<double>{0.3, 0.3, 1.0});
}
