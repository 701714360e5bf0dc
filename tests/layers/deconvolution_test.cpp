// SPDX-License-Identifier: Apache-2.0
// Deconvolution: answers by hand, the sizes, interpolation with the bilinear filler, gradients, and float in whatever
// layout the backend chooses against double.
#include "catch.hpp"

#include "firecaffe/layers/builtin/deconvolution.hpp"
#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"
#include "support/tolerance.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;
using firecaffe::testing::Tolerance;
using firecaffe::testing::worst_error;

namespace {

Shape top_of(ConvolutionOptions options, Shape bottom) {
    return plan_deconvolution(DeconvolutionOptions{options}, bottom).top;
}

/// What a net that is one deconvolution writes.
std::vector<double> output(const ConvolutionOptions& options, Shape shape, const std::vector<double>& data,
                           const std::vector<double>& weight) {
    Net<double, Cpu> net(NetBuilder("n").deconvolution("up", options).build(), {.data = shape, .retain = {"up"}},
                         LayerRegistry<double, Cpu>::with_builtin());
    Arena<double, Cpu> parameters(net.layout());
    net.initialize(parameters, 1);
    if (!weight.empty())
        std::copy(weight.begin(), weight.end(), parameters.of(*net.layout().find("up.weight")).begin());
    net.bind(parameters);
    std::copy(data.begin(), data.end(), net.data().data());
    net.forward({});
    const auto top = net.blob("up").storage();
    return {top.begin(), top.end()};
}

NetSpec around(const ConvolutionOptions& options, std::int64_t channels) {
    NetBuilder b("check");
    b.convolution("conv", {.num_output = channels, .kernel_size = 3, .pad = 1, .weight_filler = xavier()});
    b.relu().deconvolution("up", options).inner_product("ip", {.num_output = 5, .weight_filler = xavier()});
    return b.softmax_with_loss().build();
}

const std::vector<ConvolutionOptions> kCases{
    {.num_output = 6, .kernel_size = 3, .weight_filler = xavier(), .bias_filler = gaussian(0.1)},
    {.num_output = 3, .kernel_size = 4, .stride = 2, .pad = 1, .bias_term = false, .weight_filler = xavier()},
    {.num_output = 8,
     .kernel_size = 3,
     .stride = 2,
     .pad = 1,
     .group = 4,
     .weight_filler = xavier(),
     .bias_filler = gaussian(0.1)},
    {.num_output = 2,
     .kernel_h = 2,
     .kernel_w = 3,
     .stride_h = 1,
     .stride_w = 3,
     .pad_h = 0,
     .pad_w = 2,
     .dilation = 2,
     .weight_filler = xavier()},
};

}  // namespace

TEST_CASE("deconvolution: every input spreads the kernel, and the bias is added once") {
    const ConvolutionOptions options{.num_output = 1, .kernel_size = 2, .bias_filler = constant(0.5)};
    CHECK(output(options, Shape{1, 1, 2, 2}, {1, 2, 3, 4}, {1, 10, 100, 1000}) ==
          std::vector<double>{1.5, 12.5, 20.5, /**/ 103.5, 1234.5, 2040.5, /**/ 300.5, 3400.5, 4000.5});
    // Two inputs, two outputs: the weight's first axis is the input.
    CHECK(output({.num_output = 2, .kernel_size = 1, .bias_term = false}, Shape{1, 2, 1, 1}, {1, 10}, {2, 3, 5, 7}) ==
          std::vector<double>{52, 73});
    CHECK(output({.num_output = 4, .kernel_size = 1, .group = 2, .bias_term = false}, Shape{1, 2, 1, 1}, {1, 10},
                 {2, 3, 5, 7}) == std::vector<double>{2, 3, 50, 70});
}

TEST_CASE("deconvolution: sizes") {
    CHECK(top_of({.num_output = 2, .kernel_size = 4, .stride = 2, .pad = 1}, Shape{5, 3, 7, 6}) == Shape{5, 2, 14, 12});
    CHECK(top_of({.num_output = 2, .kernel_size = 3, .stride = 2}, Shape{1, 3, 4, 5}) == Shape{1, 2, 9, 11});
    CHECK(top_of({.num_output = 2, .kernel_size = 3, .stride = 3, .pad = 1, .dilation = 2}, Shape{1, 3, 4, 5}) ==
          Shape{1, 2, 12, 15});
}

TEST_CASE("deconvolution: the bilinear filler enlarges by interpolation") {
    const ConvolutionOptions twice{.num_output = 1,
                                   .kernel_size = 4,
                                   .stride = 2,
                                   .pad = 1,
                                   .bias_term = false,
                                   .weight_filler = {.type = FillerOptions::Type::bilinear}};
    const auto row = output(twice, Shape{1, 1, 1, 4}, {0, 4, 8, 12}, {});
    // Between the centres of the inputs the values lie on the line through them.
    REQUIRE(row.size() == 16);
    const double vertical = 0.75;  // the one row is spread over two, with zeros beyond
    for (std::size_t i = 1; i + 1 < 8; ++i) CHECK(row[i] == Approx(vertical * (2.0 * static_cast<double>(i) - 1)));
    const auto flat = output(twice, Shape{1, 1, 4, 4}, std::vector<double>(16, 3.0), {});
    for (std::size_t r = 1; r < 7; ++r)
        for (std::size_t c = 1; c < 7; ++c) CHECK(flat[r * 8 + c] == Approx(3.0));
}

TEST_CASE("deconvolution: gradients") {
    for (const ConvolutionOptions& options : kCases) {
        NetUnderTest<double> t(around(options, 4), Shape{3, 2, 5, 4}, 5);
        std::string where;
        const double error = largest_gradient_error(t, where);
        INFO(where);
        CHECK(error < 1e-6);
    }
}

TEST_CASE("deconvolution: float agrees with double, in the layouts that the backend chooses") {
    for (const std::int64_t channels : {4, 16, 20})
        for (const ConvolutionOptions& options : kCases) {
            NetUnderTest<double> wide(around(options, channels), Shape{3, 2, 6, 5}, 5);
            NetUnderTest<float> narrow(around(options, channels), Shape{3, 2, 6, 5}, 5);
            CHECK(narrow.loss() == Approx(wide.loss()).epsilon(1e-5));
            wide.net.backward(wide.key, wide.gradients);
            narrow.net.backward(narrow.key, narrow.gradients);
            for (const ParameterInfo& p : wide.net.layout().parameters()) {
                const auto a = narrow.gradients.of(p);
                const auto b = wide.gradients.of(p);
                const std::vector<double> as_double(a.begin(), a.end());
                INFO(p.name << ", " << channels << " channels");
                CHECK(worst_error(std::span<const double>(as_double), std::span<const double>(b.begin(), b.end())) <
                      10 * Tolerance<float>::kSum);  // a whole net's sums, one after another
            }
        }
}

TEST_CASE("deconvolution: as the first layer, the second step's gradients are of the second step") {
    NetBuilder b("first");
    b.deconvolution("up", {.num_output = 3, .kernel_size = 3, .stride = 2, .weight_filler = xavier()});
    b.inner_product("ip", {.num_output = 5, .weight_filler = xavier()}).softmax_with_loss();
    NetUnderTest<float> t(b.build(), Shape{2, 2, 4, 4}, 5), fresh(b.build(), Shape{2, 2, 4, 4}, 5);
    t.loss();
    t.net.backward(t.key, t.gradients);
    for (auto* net : {&t, &fresh}) {
        for (float& w : net->parameters.values()) w *= 1.5f;
        net->loss();
        net->net.backward(net->key, net->gradients);
    }
    CHECK(std::equal(t.gradients.values().begin(), t.gradients.values().end(), fresh.gradients.values().begin()));
}

TEST_CASE("deconvolution: bad settings name the layer, both shapes and the cure") {
    const auto build = [](ConvolutionOptions o) {
        NetUnderTest<float>(NetBuilder("n").deconvolution("up", o).build(), Shape{2, 3, 4, 4}, 2);
    };
    CHECK_THROWS_WITH(build({.num_output = 4, .kernel_size = 3, .group = 2}),
                      Contains("layer 'up'") && Contains("group 2") && Contains("2x3x4x4") && Contains("num_output 4"));
    CHECK_THROWS_WITH(build({.num_output = 4}), Contains("layer 'up'") && Contains("kernel_size"));
    CHECK_THROWS_WITH(build({.num_output = 4, .kernel_size = 1, .pad = 2}),
                      Contains("2x3x4x4") && Contains("0x0") && Contains("pad"));
    CHECK_THROWS_WITH(
        build(
            {.num_output = 2, .kernel_h = 2, .kernel_w = 3, .weight_filler = {.type = FillerOptions::Type::bilinear}}),
        Contains("layer 'up'") && Contains("bilinear") && Contains("3x2x2x3"));
}
