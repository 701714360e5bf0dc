// SPDX-License-Identifier: Apache-2.0
// Convolution on a GPU beside the reference ([cuda]), and what can be said of it without one.
#include <string>
#include <vector>

#include "backend/cuda/dnn/device_description.hpp"
#include "backend/cuda/dnn/padding.hpp"
#include "backend/cuda/dnn/plan.hpp"
#include "backend_cuda/dnn/parity.hpp"
#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/gpu_math.hpp"
#include "firecaffe/ops/reference/convolution.hpp"
#include "support/convolution_case.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

std::vector<ConvolutionCase> cases() {
    std::vector<ConvolutionCase> all{
        {geometry(16, 3, 1, 1), {2, 1, 7, 9}},    // channels of zeros
        {geometry(64, 7, 2, 3), {2, 3, 28, 28}},  // GoogLeNet's first
        {geometry(96, 11, 4), {2, 3, 35, 35}},    // AlexNet's first
        {geometry(20, 1), {2, 96, 7, 5}},         // one weight per pair of channels
        {geometry(32, 1, 2), {2, 64, 14, 14}},    // as in ResNet's shortcuts
        {geometry(10, 5, 1, 2), {3, 10, 9, 9}},   // channels that fill no vector
        {geometry(24, 3, 1, 1), {2, 32, 13, 11}},
        {geometry(96, 5, 1, 2, 2), {2, 64, 9, 9}},   // AlexNet's second, in small
        {geometry(20, 3, 1, 1, 2), {2, 10, 8, 8}},   // groups of five channels
        {geometry(32, 3, 1, 1, 32), {2, 32, 7, 7}},  // one channel per group
        {geometry(4, 6), {2, 5, 6, 6}},              // the kernel covers the image
        {geometry(16, 3, 1, 1), {1, 16, 1, 1}},
    };
    ConvolutionCase odd{geometry(24, 3), {2, 32, 11, 13}};
    odd.geometry.kernel_w = 2, odd.geometry.stride_h = 2, odd.geometry.pad_w = 1, odd.geometry.dilation_h = 2;
    all.push_back(odd);
    odd.geometry.bias = false;
    all.push_back(odd);
    odd.geometry.relu = true;  // the bias is one of zeros
    all.push_back(odd);
    all.push_back({geometry(32, 3, 1, 1), {4, 32, 16, 16}});
    all.back().geometry.relu = true;
    return all;
}

template <class T>
void check_all(double tolerance) {
    for (const ConvolutionCase& c : cases())
        for (const Layout layout : {Layout::plain(), Layout::channels_last()}) {
            const TensorSpec input{c.input, layout};
            const auto& g = c.geometry;
            INFO("input " << to_string(input) << " outputs " << g.num_output << " kernel " << g.kernel_h << " stride "
                          << g.stride_h << " pad " << g.pad_h << " group " << g.group << " relu " << g.relu);
            const auto op = make_convolution<T, Cuda>(g, input);
            reference::ReferenceConvolution<Master<T>> oracle(g, {c.input, {}});
            check_parity<T>(*op, oracle, input, convolution_weight(g, c.input).count(), g.bias ? g.num_output : 0,
                            tolerance);
        }
}

}  // namespace

TEST_CASE("convolution on a GPU agrees with the reference", "[cuda]") {
    if (!has_gpu()) return;
    check_all<float>(Tolerance<float>::kSum);
    check_all<double>(Tolerance<double>::kSum);
}

TEST_CASE("convolution on the tensor cores agrees with the reference in ten bits", "[cuda]") {
    if (!has_gpu()) return;
    const GpuMathScope scope({.tf32 = true});
    check_all<float>(kTensorCores);
}

TEMPLATE_TEST_CASE("convolution of two-byte activations agrees with the reference", "[cuda]", bfloat16, float16) {
    if (!has_gpu()) return;
    check_all<TestType>(Tolerance<TestType>::kElementwise);
}

TEST_CASE("the fastest of several plans agrees with the reference", "[cuda]") {
    if (!has_gpu()) return;
    const GpuMathScope scope({.deterministic = false, .tune_first = 8});
    check_all<float>(Tolerance<float>::kSum);
}

TEST_CASE("convolution on a GPU repeats its bits, on any stream", "[cuda]") {
    if (!has_gpu()) return;
    const ConvolutionGeometry g = geometry(64, 3, 1, 1);
    const TensorSpec input{{16, 32, 14, 14}, Layout::channels_last()};
    std::vector<std::vector<float>> first;
    for (int run = 0; run < 3; ++run) {
        const Stream stream;
        const StreamScope scope(stream);
        const auto op = make_convolution<float, Cuda>(g, input);
        const auto x = sent<Cuda>(random_tensor<float>(input.shape, 1), input.layout);
        const auto dy = sent<Cuda>(random_tensor<float>(op->output().shape, 2), op->output().layout);
        const auto weight = sent<Cuda>(random_tensor<float>({64, 32, 3, 3}, 3));
        const auto bias = sent<Cuda>(random_tensor<float>({64}, 4));
        auto y = garbage<float, Cuda>(op->output()), dx = garbage<float, Cuda>(input);
        auto dweight = garbage<float, Cuda>(weight.spec()), dbias = garbage<float, Cuda>(bias.spec());
        op->set_parameters(weight.data(), bias.data());
        op->forward(x.view(), y.view());
        op->backward_data(dy.view(), dx.view());
        op->backward_parameters(x.view(), dy.view(), dweight.data(), dbias.data());
        const std::vector<std::vector<float>> results{memory_of(y), memory_of(dx), memory_of(dweight),
                                                      memory_of(dbias)};
        if (run == 0) first = results;
        CHECK(results == first);
    }
}

TEST_CASE("a convolution of no samples writes zero gradients on a GPU", "[cuda]") {
    if (!has_gpu()) return;
    const TensorSpec input{{0, 16, 5, 5}, Layout::channels_last()};
    const auto op = make_convolution<float, Cuda>(geometry(4, 3), input);
    auto weight = garbage<float, Cuda>({{4, 16, 3, 3}, {}}), bias = garbage<float, Cuda>({{4}, {}});
    Tensor<float, Cuda> x(input), y(op->output());
    op->set_parameters(weight.data(), bias.data());
    op->forward(x.view(), y.view());
    op->backward_data(y.view(), x.view());
    op->backward_parameters(x.view(), y.view(), weight.data(), bias.data());
    CHECK(memory_of(weight) == std::vector<float>(4 * 16 * 9));
    CHECK(memory_of(bias) == std::vector<float>(4));
}

TEST_CASE("every case here has its plans for an H200, in every type") {
    const cuda::dnn::Target target(cuda::dnn::device_description("h200"));
    for (const ConvolutionCase& c : cases())
        for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::float16})
            for (const auto pass : {cuda::dnn::Pass::forward, cuda::dnn::Pass::data, cuda::dnn::Pass::parameters}) {
                const auto problem =
                    cuda::dnn::make_problem(pass, c.geometry, cuda::dnn::padded_input(c.geometry, c.input, dtype),
                                            dtype, cuda::dnn::MathMode::exact, true);
                INFO(to_string(problem));
                CHECK(cuda::dnn::make_plans(problem, target, GpuMath{}.workspace_budget, 1).size() == 1);
            }
}

TEST_CASE("a convolution's shapes and errors are known without a GPU") {
    const TensorSpec input{{2, 3, 28, 28}, {}};
    const auto op = make_convolution<float, Cuda>(geometry(64, 7, 2, 3), input);
    CHECK(make_convolution<bfloat16, Cuda>(geometry(64, 7, 2, 3), input)->output() == op->output());
    CHECK(op->output() == TensorSpec{{2, 64, 14, 14}, Layout::channels_last()});
    CHECK_THROWS_AS((make_convolution<float, Cuda>(geometry(64, 7), {{2, 16, 28, 28}, Layout::blocked(16)})),
                    ShapeError);
    CHECK_THROWS_AS((make_convolution<float, Cuda>(geometry(64, 31), input)), ShapeError);
    CHECK_THROWS_AS((make_convolution<float, Cuda>(geometry(64, 1), {{2, 0, 5, 5}, {}})), ShapeError);
    CHECK_THROWS_AS(op->set_parameters(nullptr, nullptr), UsageError);
    const TensorView<const float, Cuda> x(nullptr, input), wrong(nullptr, {{2, 3, 28, 27}, {}});
    const TensorView<float, Cuda> y(nullptr, op->output());
    CHECK_THROWS_WITH(op->forward(x, y), Catch::Matchers::Contains("no parameters yet"));
    CHECK_THROWS_AS(op->forward(wrong, y), ShapeError);
}

TEST_CASE("how a GPU computes is what the thread's scope says when the op is made") {
    CHECK(current_gpu_math() == GpuMath{});
    {
        const GpuMathScope outer({.tf32 = true});
        {
            const GpuMathScope inner({.deterministic = false, .workspace_budget = 5, .tune_first = 3});
            CHECK_FALSE(current_gpu_math().tf32);
            CHECK(current_gpu_math().workspace_budget == 5);
        }
        CHECK(current_gpu_math().tf32);
        CHECK(current_gpu_math().deterministic);
    }
    CHECK(current_gpu_math() == GpuMath{});
}
