// SPDX-License-Identifier: Apache-2.0
// The losses beside SoftmaxWithLoss: numbers worked out by hand, by which Caffe's rules can be told from PyTorch's;
// gradients in double; and what is refused.
#include "catch.hpp"

#include <cmath>

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

/// The loss of a net that is one layer on `data`.
double loss_of(const NetSpec& spec, Shape shape, const std::vector<double>& data, const std::vector<double>& labels) {
    NetUnderTest<double> t(spec, shape, 1);
    std::copy(data.begin(), data.end(), t.net.data().data());
    std::copy(labels.begin(), labels.end(), t.net.labels().data());
    return t.loss();
}

NetSpec with_bottoms(const NetBuilder& b, std::vector<std::string> bottoms) {
    NetSpec spec = b.build();
    spec.layers.back().bottom = std::move(bottoms);
    return spec;
}

NetBuilder scores(std::int64_t classes = 5) {
    NetBuilder b("check");
    b.convolution("conv", {.num_output = 4, .kernel_size = 3, .weight_filler = xavier(), .bias_filler = gaussian(0.1)})
        .inner_product("ip", {.num_output = classes, .weight_filler = xavier(), .bias_filler = gaussian(0.1)});
    return b;
}

void check_gradients(const NetSpec& spec, Shape data = Shape{4, 2, 5, 6}, std::int64_t classes = 5) {
    NetUnderTest<double> t(spec, data, classes);
    std::string where;
    const double error = largest_gradient_error(t, where);
    INFO(where);
    CHECK(error < 1e-6);
}

double sigmoid_loss(double x, double t) {
    return -t * std::log(1 / (1 + std::exp(-x))) - (1 - t) * std::log(1 / (1 + std::exp(x)));
}

}  // namespace

TEST_CASE("Euclidean loss: half the squares' sum over the batch, not their mean") {
    const NetSpec spec = NetBuilder("n").euclidean_loss().build();
    CHECK(loss_of(spec, Shape{2, 1, 1, 1}, {1, 4}, {0, 2}) == 1.25);  // (1 + 4) / (2 * 2)
    const NetSpec weighted = NetBuilder("n").euclidean_loss("loss", {.loss_weight = 0.2}).build();
    CHECK(loss_of(weighted, Shape{2, 1, 1, 1}, {1, 4}, {0, 2}) == Approx(0.25));
    const NetSpec itself = with_bottoms(NetBuilder("n").euclidean_loss(), {"data", "data"});
    CHECK(loss_of(itself, Shape{2, 3, 1, 1}, {1, 2, 3, 4, 5, 6}, {0, 0}) == 0.0);
}

TEST_CASE("Euclidean loss: both bottoms get a gradient") {
    NetBuilder b = scores();
    b.from("conv").inner_product("other", {.num_output = 5, .weight_filler = xavier()}).euclidean_loss();
    check_gradients(with_bottoms(b, {"ip", "other"}));
    check_gradients(with_bottoms(b, {"other", "ip"}));
    check_gradients(scores(1).euclidean_loss("loss", {.loss_weight = 3}).build());  // against the labels
}

TEST_CASE("hinge loss: one class against all others, over the batch") {
    const std::vector<double> data{1, 2, 0.5, /**/ -0.5, 0, -3}, labels{1, 0};
    const auto spec = [](ops::HingeNorm norm) { return NetBuilder("n").hinge_loss("loss", {.norm = norm}).build(); };
    // What is lacking: 2, 0, 1.5 and 1.5, 1, 0.
    CHECK(loss_of(spec(ops::HingeNorm::l1), Shape{2, 3, 1, 1}, data, labels) == 3.0);
    CHECK(loss_of(spec(ops::HingeNorm::l2), Shape{2, 3, 1, 1}, data, labels) == 4.75);
    CHECK(std::isnan(loss_of(spec(ops::HingeNorm::l1), Shape{2, 3, 1, 1}, {1, NAN, 0, 0, 0, 0}, labels)));
}

TEST_CASE("hinge loss: gradients") {
    for (const auto norm : {ops::HingeNorm::l1, ops::HingeNorm::l2})
        check_gradients(scores().hinge_loss("loss", {.loss_weight = 0.7, .norm = norm}).build());
}

TEST_CASE("sigmoid cross-entropy: stable for large predictions") {
    const NetSpec spec = NetBuilder("n").sigmoid_cross_entropy_loss().build();
    const double loss = loss_of(spec, Shape{4, 1, 1, 1}, {1000, -1000, 2, 0}, {1, 0, 0, 1});
    CHECK(loss == Approx((sigmoid_loss(2, 0) + std::log(2.0)) / 4).epsilon(1e-12));
    CHECK(loss_of(spec, Shape{1, 1, 1, 1}, {1000}, {0}) == 1000.0);
}

TEST_CASE("sigmoid cross-entropy: divided by the batch unless told otherwise, and ignored targets") {
    const std::vector<double> x{0, 1, 0.5, 1.7};  // predictions and targets
    const auto loss = [&](SigmoidCrossEntropyLossOptions o) {
        const NetSpec spec = with_bottoms(NetBuilder("n").sigmoid_cross_entropy_loss("loss", o), {"data", "data"});
        return loss_of(spec, Shape{2, 2, 1, 1}, x, {0, 0});
    };
    double all = 0;
    for (const double v : x) all += sigmoid_loss(v, v);
    const double counted = sigmoid_loss(0, 0) + sigmoid_loss(0.5, 0.5);  // 1 and 1.7, cut to an integer, are 1
    CHECK(loss({}) == Approx(all / 2).epsilon(1e-12));
    CHECK(loss({.normalization = LossNormalization::full}) == Approx(all / 4).epsilon(1e-12));
    CHECK(loss({.normalization = LossNormalization::none}) == Approx(all).epsilon(1e-12));
    CHECK(loss({.ignore_label = 1}) == Approx(counted / 2).epsilon(1e-12));
    CHECK(loss({.normalization = LossNormalization::valid, .ignore_label = 1}) == Approx(counted / 2).epsilon(1e-12));
    CHECK(loss({.normalization = LossNormalization::full, .ignore_label = 1}) == Approx(counted / 4).epsilon(1e-12));
}

TEST_CASE("sigmoid cross-entropy: gradients") {
    for (const auto norm :
         {LossNormalization::valid, LossNormalization::full, LossNormalization::batch_size, LossNormalization::none})
        for (const std::int64_t ignore : {-1, 0}) {
            NetBuilder b = scores(12).sigmoid_cross_entropy_loss(
                "loss", {.loss_weight = 0.3, .normalization = norm, .ignore_label = ignore});
            check_gradients(with_bottoms(b, {"ip", "data"}), Shape{4, 1, 3, 4});
        }
}

TEST_CASE("information gain: the label chooses the row of H") {
    const std::vector<double> x{1, 2, 3, /**/ 0, 0, 0};
    const std::vector<double> h{1, 0, 0, /**/ 0.5, 2, 0, /**/ 0, 0.25, 3};
    const auto loss = [&](InfogainLossOptions o, std::vector<double> labels) {
        if (o.infogain_matrix.empty()) o.infogain_matrix = h;
        return loss_of(NetBuilder("n").infogain_loss("loss", o).build(), Shape{2, 3, 1, 1}, x, labels);
    };
    const double z = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0)), third = std::log(3.0);
    const double first = 0.25 * (z - 2) + 3 * (z - 3), second = 2.5 * third;
    CHECK(loss({}, {2, 1}) == Approx((first + second) / 2).epsilon(1e-12));
    CHECK(loss({.loss_weight = 0.3}, {2, 1}) == Approx(0.3 * (first + second) / 2).epsilon(1e-12));
    CHECK(loss({.ignore_label = 1}, {2, 1}) == Approx(first).epsilon(1e-12));
    CHECK(loss({.normalization = LossNormalization::full, .ignore_label = 1}, {2, 1}) ==
          Approx(first / 2).epsilon(1e-12));
    CHECK(loss({.ignore_label = 1}, {1, 1}) == 0.0);
    const std::vector<double> identity{1, 0, 0, 0, 1, 0, 0, 0, 1};
    CHECK(loss({.infogain_matrix = identity}, {2, 1}) ==
          Approx(loss_of(NetBuilder("n").softmax_with_loss().build(), Shape{2, 3, 1, 1}, x, {2, 1})).epsilon(1e-12));
}

TEST_CASE("information gain: H as the third bottom") {
    const std::vector<double> x{1, 2, 3, 5};  // scores and H
    const NetSpec bottom = with_bottoms(NetBuilder("n").infogain_loss("loss", {}), {"data", "label", "data"});
    const NetSpec stated = NetBuilder("n").infogain_loss("loss", {.infogain_matrix = x}).build();
    CHECK(loss_of(bottom, Shape{2, 2, 1, 1}, x, {1, 0}) == loss_of(stated, Shape{2, 2, 1, 1}, x, {1, 0}));
}

TEST_CASE("information gain: gradients") {
    std::vector<double> h;
    for (int i = 0; i < 25; ++i) h.push_back(0.1 * (i * 7 % 11) - 0.2);
    for (const auto norm :
         {LossNormalization::valid, LossNormalization::full, LossNormalization::batch_size, LossNormalization::none})
        check_gradients(
            scores()
                .infogain_loss("loss",
                               {.loss_weight = 0.3, .normalization = norm, .ignore_label = 2, .infogain_matrix = h})
                .build());
    NetBuilder b("third bottom");
    b.inner_product("ip", {.num_output = 4, .weight_filler = xavier()}).infogain_loss("loss", {});
    check_gradients(with_bottoms(b, {"ip", "label", "data"}), Shape{4, 2, 2, 1}, 4);
}

TEST_CASE("several losses in one net: the sum of each one's, times its weight") {
    const auto build = [](double softmax, double hinge, double infogain, double euclidean) {
        NetBuilder b = scores();
        b.softmax_with_loss("a", {.loss_weight = softmax}).hinge_loss("b", {.loss_weight = hinge});
        b.infogain_loss("c", {.loss_weight = infogain, .infogain_matrix = std::vector<double>(25, 0.2)});
        b.from("conv").inner_product("one", {.num_output = 1, .weight_filler = xavier()});
        return b.euclidean_loss("d", {.loss_weight = euclidean}).build();
    };
    const auto loss = [&](double a, double b, double c, double d) {
        return NetUnderTest<double>(build(a, b, c, d), Shape{4, 2, 5, 6}, 5).loss();
    };
    const double expected = 0.3 * loss(1, 0, 0, 0) + 2 * loss(0, 1, 0, 0) + 0.5 * loss(0, 0, 1, 0) + loss(0, 0, 0, 1);
    CHECK(loss(0.3, 2, 0.5, 1) == Approx(expected).epsilon(1e-12));
    check_gradients(build(0.3, 2, 0.5, 1));
}

TEST_CASE("losses name the layer and both shapes, or the sample, the label and the range") {
    const auto build = [](const NetSpec& spec) { NetUnderTest<double>(spec, Shape{2, 3, 2, 2}, 3); };
    CHECK_THROWS_WITH(build(NetBuilder("n").euclidean_loss("far").build()),
                      Contains("layer 'far'") && Contains("2x3x2x2") && Contains("targets 2;"));
    CHECK_THROWS_WITH(build(NetBuilder("n").sigmoid_cross_entropy_loss("far").build()),
                      Contains("layer 'far'") && Contains("2x3x2x2") && Contains("targets 2;"));
    CHECK_THROWS_WITH(build(with_bottoms(NetBuilder("n").hinge_loss("far"), {"data", "data"})),
                      Contains("layer 'far'") && Contains("labels 2x3x2x2"));
    CHECK_THROWS_WITH(build(NetBuilder("n").infogain_loss("far", {.infogain_matrix = {1}}).build()),
                      Contains("layer 'far'") && Contains("2x3x2x2") && Contains("8 predictions"));
    const auto classes = [](const NetSpec& spec) { NetUnderTest<double>(spec, Shape{2, 3, 1, 1}, 3); };
    CHECK_THROWS_WITH(classes(NetBuilder("n").infogain_loss("far", {}).build()),
                      Contains("layer 'far'") && Contains("infogain_matrix"));
    CHECK_THROWS_WITH(classes(NetBuilder("n").infogain_loss("far", {.infogain_matrix = {1, 2}}).build()),
                      Contains("has 2 elements; 3 classes need 9"));
    CHECK_THROWS_WITH(classes(with_bottoms(NetBuilder("n").infogain_loss("far", {}), {"data", "label", "data"})),
                      Contains("H 2x3x1x1") && Contains("3x3"));
    for (const char* bottom : {"label", "data"})
        CHECK_THROWS_AS(classes(with_bottoms(NetBuilder("n").hinge_loss("far"), {bottom})), ConfigError);

    const auto judged = [](const NetSpec& spec) {
        return loss_of(spec, Shape{2, 3, 1, 1}, {1, 2, 3, 4, 5, 6}, {2, 3});
    };
    const NetSpec hinge = NetBuilder("n").hinge_loss("far").build();
    CHECK_THROWS_AS(judged(hinge), DataError);
    for (const double label : {0.7, -0.5, static_cast<double>(NAN), 1e300}) {
        INFO(label);
        CHECK_THROWS_AS(loss_of(NetBuilder("n").softmax_with_loss().build(), Shape{1, 3, 1, 1}, {1, 2, 3}, {label}),
                        DataError);
    }
    CHECK_THROWS_WITH(loss_of(hinge, Shape{1, 3, 1, 1}, {1, 2, 3}, {0.7}),
                      Contains("label 0.7 of sample 0") && Contains("no whole number in [0, 3)"));
    for (const NetSpec& spec :
         {hinge, NetBuilder("n").softmax_with_loss("far").build(),
          NetBuilder("n").infogain_loss("far", {.infogain_matrix = std::vector<double>(9)}).build()})
        CHECK_THROWS_WITH(judged(spec),
                          Contains("layer 'far'") && Contains("label 3 of sample 1") && Contains("[0, 3)"));
}
