// SPDX-License-Identifier: Apache-2.0
// Every layer, in double, inside a small net: gradients of all parameters against differences of the loss. A layer
// without parameters is checked by the gradients that it passes down to the convolution before it.
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

/// conv -> (layers under test) -> inner product -> loss.
NetBuilder stem() {
    NetBuilder b("check");
    b.convolution("conv", {.num_output = 4, .kernel_size = 3, .pad = 1, .weight_filler = xavier(),
                           .bias_filler = gaussian(0.1)});
    return b;
}
NetSpec finish(NetBuilder& b) {
    b.inner_product("ip", {.num_output = 5, .weight_filler = xavier(), .bias_filler = gaussian(0.1)})
        .softmax_with_loss();
    return b.build();
}

void check(const NetSpec& spec, Shape data = Shape{3, 2, 7, 6}, std::int64_t classes = 5) {
    NetUnderTest<double> t(spec, data, classes);
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);
}

}  // namespace

TEST_CASE("gradients of convolutions") {
    auto group = stem();
    group.convolution("conv2", {.num_output = 6, .kernel_size = 3, .stride = 2, .pad = 1, .group = 2,
                                .weight_filler = msra()});
    check(finish(group));
    auto oblong = stem();
    oblong.convolution("conv2", {.num_output = 3, .kernel_h = 1, .kernel_w = 3, .stride_h = 1, .stride_w = 2,
                                 .pad_h = 0, .pad_w = 2, .bias_term = false, .weight_filler = xavier()});
    check(finish(oblong));
    auto dilated = stem();
    dilated.convolution("conv2", {.num_output = 3, .kernel_size = 2, .dilation = 2, .weight_filler = xavier()});
    check(finish(dilated));
}

TEST_CASE("gradients of inner products") {
    auto b = stem();
    b.inner_product("ip1", {.num_output = 7, .bias_term = false, .weight_filler = xavier()});
    check(finish(b));
}

TEST_CASE("gradients of pooling") {
    for (const auto method : {ops::PoolMethod::max, ops::PoolMethod::average}) {
        auto ceil = stem();
        ceil.pooling("pool", {.pool = method, .kernel_size = 3, .stride = 2});
        check(finish(ceil));
        auto pad = stem();
        pad.pooling("pool", {.pool = method, .kernel_size = 3, .stride = 2, .pad = 1});
        check(finish(pad));
        auto global = stem();
        global.pooling("pool", {.pool = method, .global_pooling = true});
        check(finish(global));
    }
}

TEST_CASE("gradients of ReLU") {
    auto b = stem();
    check(finish(b.relu()));
    auto leaky = stem();
    check(finish(leaky.relu({.negative_slope = 0.2})));
}

TEST_CASE("gradients of LRN") {
    auto b = stem();
    check(finish(b.lrn("norm", {.local_size = 3, .alpha = 0.7, .beta = 0.6, .k = 1.5})));
    auto within = stem();
    check(finish(within.lrn("norm", {.local_size = 3, .alpha = 2.5, .norm_region = ops::NormRegion::within_channel})));
}

TEST_CASE("gradients of dropout") {
    auto b = stem();
    check(finish(b.dropout({.dropout_ratio = 0.4})));
    auto after_relu = stem();
    check(finish(after_relu.relu().dropout()));
}

TEST_CASE("gradients of softmax") {
    auto b = stem();
    check(finish(b.softmax("soft")));
}

TEST_CASE("gradients through branches that meet again") {
    auto b = stem();
    b.relu();
    b.convolution("left", {.num_output = 3, .kernel_size = 1, .weight_filler = xavier()});
    b.from("conv").convolution("right", {.num_output = 2, .kernel_size = 3, .pad = 1, .weight_filler = xavier()});
    b.from("conv").pooling("pool", {.kernel_size = 3, .stride = 1, .pad = 1});
    b.concat("join", {"left", "right", "pool", "conv"});
    check(finish(b));
}

TEST_CASE("gradients of several weighted losses and normalisations") {
    for (const auto norm : {LossNormalization::valid, LossNormalization::full, LossNormalization::batch_size,
                            LossNormalization::none}) {
        auto b = stem();
        b.inner_product("aux", {.num_output = 5, .weight_filler = xavier()})
            .softmax_with_loss("aux_loss", {.loss_weight = 0.3, .normalization = norm, .ignore_label = 2});
        b.from("conv").relu();
        check(finish(b));
    }
}

TEST_CASE("an accuracy layer and an unused blob do not disturb the gradients") {
    auto b = stem();
    b.pooling("unused", {.kernel_size = 2, .stride = 2});
    b.from("conv");
    b.inner_product("ip", {.num_output = 5, .weight_filler = xavier()}).accuracy().softmax_with_loss();
    check(b.build());
}

TEST_CASE("dense predictions: one label for each position") {
    NetBuilder b("dense");
    b.convolution("conv", {.num_output = 4, .kernel_size = 3, .pad = 1, .weight_filler = xavier()}).softmax_with_loss();
    CHECK_THROWS_WITH((NetUnderTest<double>(b.build(), Shape{2, 2, 5, 5}, 4)),
                      Catch::Matchers::Contains("layer 'loss'") && Catch::Matchers::Contains("2x4x5x5"));
}
