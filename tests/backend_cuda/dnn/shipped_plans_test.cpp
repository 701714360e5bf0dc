// SPDX-License-Identifier: Apache-2.0
// Every convolution of every net under examples/ has a plan for an H200, whose work space is within the default budget:
// in float, in float on the tensor cores, in bfloat16 and in float16. No GPU is needed; how fast they are only a GPU
// can tell.
#include <iostream>
#include <set>

#include "backend/cuda/dnn/blocks.hpp"
#include "backend/cuda/dnn/plan.hpp"
#include "backend_cuda/dnn/shipped_nets.hpp"
#include "catch.hpp"
#include "firecaffe/ops/gpu_math.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;
using namespace firecaffe::testing;

namespace {

constexpr std::int64_t kBatch = 256;

/// What training asks of one convolution: forward with a ReLU and without, and the gradients.
std::vector<Problem> problems_of(const ShippedConvolution& layer, DType dtype, MathMode math) {
    const SeenConvolution seen = seen_by_plans(false, layer.geometry, layer.input, dtype);
    const SeenConvolution unblocked = seen_by_plans(true, layer.geometry, layer.input, dtype);
    ops::ConvolutionGeometry with_relu = seen.geometry;
    with_relu.relu = true;
    std::vector<Problem> all{make_problem(Pass::forward, seen.geometry, seen.input, dtype, math, true),
                             make_problem(Pass::forward, with_relu, seen.input, dtype, math, true),
                             make_problem(Pass::parameters, seen.geometry, seen.input, dtype, math, true)};
    if (layer.needs_data_gradient)
        all.push_back(make_problem(Pass::data, unblocked.geometry, unblocked.input, dtype, math, true));
    return all;
}

struct Tally {
    std::size_t asked = 0, planned = 0;
    std::int64_t largest_workspace = 0;
    std::set<std::string> different{};
};

void plan_all(const std::vector<ShippedConvolution>& layers, const Target& target, DType dtype, MathMode math) {
    const std::int64_t budget = ops::GpuMath{}.workspace_budget;
    Tally tally;
    for (const ShippedConvolution& layer : layers)
        for (const Problem& problem : problems_of(layer, dtype, math)) {
            ++tally.asked;
            if (!tally.different.insert(to_string(problem)).second) {  // asked before, and found
                ++tally.planned;
                continue;
            }
            const auto plans = make_plans(problem, target, budget, 1);
            INFO(layer.net << ' ' << layer.layer << ": " << to_string(problem));
            CHECK(plans.size() == 1);
            if (plans.empty()) continue;
            ++tally.planned;
            CHECK_FALSE(plans[0].facts().compiles_at_run_time);
            CHECK_FALSE(plans[0].facts().nondeterministic);
            tally.largest_workspace = std::max(tally.largest_workspace, plans[0].facts().workspace);
        }
    std::cout << to_string(dtype) << ' ' << to_string(math) << ": " << tally.planned << " of " << tally.asked
              << " plans (" << tally.different.size() << " different) on " << target.name() << ", batch " << kBatch
              << ", largest work space " << (tally.largest_workspace >> 20) << " MiB" << std::endl;
    CHECK(tally.planned == tally.asked);
}

}  // namespace

TEST_CASE("every convolution of every shipped net has a plan for an H200") {
    const ShippedLayers shipped = shipped_layers(FIRECAFFE_SOURCE_DIR "/examples", kBatch);
    CHECK(shipped.nets.size() >= 15);
    REQUIRE(shipped.convolutions.size() > 200);
    const auto first_layers = std::count_if(shipped.convolutions.begin(), shipped.convolutions.end(),
                                            [](const auto& layer) { return !layer.needs_data_gradient; });
    CHECK(first_layers == static_cast<std::ptrdiff_t>(shipped.nets.size()) - 1);  // speech has no convolution
    const Target target(device_description("h200"));
    plan_all(shipped.convolutions, target, DType::float32, MathMode::exact);
    plan_all(shipped.convolutions, target, DType::float32, MathMode::tf32);
    plan_all(shipped.convolutions, target, DType::bfloat16, MathMode::exact);
    plan_all(shipped.convolutions, target, DType::float16, MathMode::exact);
}

TEST_CASE("every convolution of every shipped net has a plan for an A100 and an H100, too") {
    const ShippedLayers shipped = shipped_layers(FIRECAFFE_SOURCE_DIR "/examples", kBatch);
    for (const char* name : {"a100", "h100"}) {
        const Target target(device_description(name));
        plan_all(shipped.convolutions, target, DType::float32, MathMode::tf32);
        plan_all(shipped.convolutions, target, DType::bfloat16, MathMode::exact);
    }
}

TEST_CASE("padding an image saves bfloat16 its work space") {
    ops::ConvolutionGeometry g;  // GoogLeNet's first
    g.num_output = 64, g.kernel_h = g.kernel_w = 7, g.stride_h = g.stride_w = 2, g.pad_h = g.pad_w = 3;
    const Target target(device_description("h200"));
    const auto first_choice = [&](const Shape& input) {
        const Problem problem = make_problem(Pass::parameters, g, input, DType::bfloat16, MathMode::exact, true);
        return make_plans(problem, target, std::int64_t{1} << 40, 1).at(0).facts().workspace;
    };
    const Shape image{kBatch, 3, 224, 224};
    const std::int64_t padded = first_choice(padded_input(g, image, DType::bfloat16)), bare = first_choice(image);
    INFO("3 channels: " << bare << " bytes, 8 channels: " << padded);
    CHECK(padded * 4 < bare);
}
