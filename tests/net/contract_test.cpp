// SPDX-License-Identifier: Apache-2.0
// What the net promises to layers of a program's own, however they use their part of the contract.
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;

namespace {

using Pass = ForwardPass<double, Cpu>;
using Back = BackwardPass<double, Cpu>;

/// y = x * x, and says that it can run in place although its backward pass reads its bottom.
class Square final : public Layer<double, Cpu> {
  public:
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool can_run_in_place() const override { return true; }
    void forward(const Pass& pass) override {
        for (std::int64_t i = 0; i < pass.bottoms[0].count(); ++i)
            pass.tops[0].data()[i] = pass.bottoms[0].data()[i] * pass.bottoms[0].data()[i];
    }
    void backward(const Back& pass) override {
        for (std::int64_t i = 0; i < pass.bottoms[0].count(); ++i)
            pass.bottom_diffs[0].data()[i] = 2 * pass.bottoms[0].data()[i] * pass.top_diffs[0].data()[i];
    }
};

/// y = 3 x, in place; a loss if it is given a weight.
class Triple final : public Layer<double, Cpu> {
  public:
    explicit Triple(double weight) : weight_(weight) {}
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool can_run_in_place() const override { return true; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }
    double loss_weight(std::size_t) const override { return weight_; }
    void forward(const Pass& pass) override { triple(pass.bottoms[0], pass.tops[0]); }
    void backward(const Back& pass) override { triple(pass.top_diffs[0], pass.bottom_diffs[0]); }

  private:
    static void triple(TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
        for (std::int64_t i = 0; i < x.count(); ++i) y.data()[i] = 3 * x.data()[i];
    }
    double weight_;
};

/// Offers to compute everything that follows, and does not.
class Greedy final : public Layer<double, Cpu> {
  public:
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool absorb(const Layer&) override { return true; }
    void forward(const Pass& pass) override {
        std::copy_n(pass.bottoms[0].data(), pass.bottoms[0].count(), pass.tops[0].data());
    }
    void backward(const Back&) override {}
};

/// Says that its top is its bottom.
class Alias final : public Layer<double, Cpu> {
  public:
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool renames_bottom() const override { return true; }
    void forward(const Pass&) override {}
    void backward(const Back&) override {}
};

LayerRegistry<double, Cpu> registry() {
    auto r = LayerRegistry<double, Cpu>::with_builtin();
    r.add("Square", [](const LayerSpec&) { return std::make_unique<Square>(); });
    r.add("Triple", [](const LayerSpec& spec) {
        const auto& numbers = std::get<CustomLayerOptions>(spec.options).numbers;
        return std::make_unique<Triple>(numbers.contains("weight") ? numbers.at("weight") : 0.0);
    });
    r.add("Greedy", [](const LayerSpec&) { return std::make_unique<Greedy>(); });
    r.add("Alias", [](const LayerSpec&) { return std::make_unique<Alias>(); });
    r.add("Nothing", [](const LayerSpec&) { return nullptr; });
    return r;
}

NetBuilder stem(std::int64_t outputs) {
    NetBuilder b("contract");
    b.inner_product("ip", {.num_output = outputs, .weight_filler = xavier(), .bias_filler = gaussian(0.3)});
    return b;
}

double error_of(const NetSpec& spec) {
    NetUnderTest<double> t(spec, Shape{3, 2, 2, 2}, 4, 3, registry());
    std::string where;
    const double first = largest_gradient_error(t, where);
    return std::max(first, largest_gradient_error(t, where));  // the second passes see what the first ones left
}

}  // namespace

TEST_CASE("a layer whose backward reads its bottom never runs in place") {
    CHECK(error_of(stem(4).custom("square", "Square").softmax_with_loss().build()) < 1e-6);
}

TEST_CASE("a layer in place of a loss changes neither the loss nor its gradient") {
    const auto t = [](const NetSpec& spec) { return NetUnderTest<double>(spec, Shape{3, 2, 2, 2}, 4, 3, registry()); };
    const NetSpec plain = stem(4).softmax_with_loss("loss").build();
    const NetSpec tripled = stem(4).softmax_with_loss("loss").from("loss").custom("triple", "Triple").build();
    CHECK(t(tripled).loss() == t(plain).loss());
    CHECK(error_of(tripled) < 1e-6);
}

TEST_CASE("the gradient of a loss that could run in place stays what it is") {
    // One image, one output: a number that is its own loss.
    NetUnderTest<double> t(stem(1).custom("triple", "Triple", {.numbers = {{"weight", 0.5}}, .strings = {}}).build(),
                           Shape{1, 2, 2, 2}, 1, 3, registry());
    std::string where;
    for (int pass = 0; pass < 3; ++pass) {
        const double error = largest_gradient_error(t, where);
        INFO(where);
        CHECK(error < 1e-6);
    }
}

TEST_CASE("a loss that is more than one number is refused") {
    const NetSpec spec = stem(4).custom("triple", "Triple", {.numbers = {{"weight", 1.0}}, .strings = {}}).build();
    CHECK_THROWS_WITH((NetUnderTest<double>(spec, Shape{3, 2, 2, 2}, 4, 3, registry())),
                      Contains("'triple'") && Contains("3x4") && Contains("one number"));
}

TEST_CASE("only a layer that can run in place is absorbed") {
    const NetSpec spec = stem(4).custom("greedy", "Greedy").softmax("p").build();
    Net<double, Cpu> net(spec, {.data = Shape{2, 2, 1, 1}, .phase = Phase::test, .retain = {"p"}}, registry());
    Arena<double, Cpu> parameters(net.layout());
    net.initialize(parameters, 1);
    net.bind(parameters);
    net.forward({});
    for (int n = 0; n < 2; ++n) {
        const double* p = net.blob("p").data() + 4 * n;
        CHECK(p[0] + p[1] + p[2] + p[3] == Approx(1.0));
    }
}

TEST_CASE("errors of a layer name it once") {
    const auto refused = [](const NetSpec& spec, const std::string& message) {
        CHECK_THROWS_WITH((Net<double, Cpu>(spec, {.data = Shape{2, 2, 1, 1}}, registry())), message);
    };
    refused(stem(4).custom("n", "Nothing").build(),
            "layer 'n': the factory of type 'Nothing' made no layer; it must return one");
    refused(stem(4).dropout({.dropout_ratio = 1.5}).build(),
            "layer 'dropout_ip': dropout_ratio is 1.5; it must lie in [0, 1)");
    NetSpec wrong = stem(4).build();
    wrong.layers[0].type = "ReLU";
    refused(wrong, "layer 'ip': the type is ReLU but the options are another type's; give it its own");
}

TEST_CASE("a net knows whether it has a loss") {
    const auto require_loss = [](const NetSpec& spec, Phase phase) {
        Net<double, Cpu>(spec, {.data = Shape{2, 2, 1, 1}, .phase = phase}, registry()).require_loss();
    };
    CHECK_NOTHROW(require_loss(stem(4).softmax_with_loss().build(), Phase::train));
    CHECK_NOTHROW(require_loss(stem(4).softmax_with_loss().build(), Phase::test));
    const NetSpec test_only = stem(4).softmax_with_loss().only_in(Phase::test).build();
    CHECK_THROWS_WITH(require_loss(test_only, Phase::train), Contains("'contract'") && Contains("training phase"));
    const NetSpec weightless = stem(4).softmax_with_loss("l", {.loss_weight = 0}).build();
    CHECK_THROWS_AS(require_loss(weightless, Phase::train), ConfigError);
}

TEST_CASE("a net that shares a layout of another order is ready with a prefix that is final") {
    // Two branches, listed in either order, joined: the parameters of one net lie the other way round in the other's.
    const auto branches = [](const char* first, const char* second) {
        NetBuilder b("b");
        return b.inner_product(first, {.num_output = 4, .weight_filler = xavier()})
            .from("data")
            .inner_product(second, {.num_output = 4, .weight_filler = xavier()})
            .concat("join", {"x", "y"})
            .softmax_with_loss()
            .build();
    };
    NetUnderTest<double> own(branches("x", "y"), Shape{2, 2, 2, 2}, 8);
    const auto layers = LayerRegistry<double, Cpu>::with_builtin();
    Net<double, Cpu> other(branches("y", "x"), {.data = Shape{2, 2, 2, 2}, .layout = &own.net.layout()}, layers);
    other.bind(own.parameters);
    std::copy_n(own.net.data().data(), 16, other.data().data());
    std::copy_n(own.net.labels().data(), 2, other.labels().data());
    own.loss();
    own.net.backward(own.key, own.gradients);

    struct Listener : GradientListener {
        const Arena<double, Cpu>*expected = nullptr, *present = nullptr;
        bool right = true;
        std::size_t last = 0;
        void gradients_ready(std::size_t prefix) override {
            last = prefix;
            right = right && std::equal(expected->data(), expected->data() + prefix, present->data());
        }
    } listener;
    Arena<double, Cpu> gradients(own.net.layout());
    listener.expected = &own.gradients;
    listener.present = &gradients;
    other.forward(own.key);
    other.backward(own.key, gradients, &listener);
    CHECK(listener.right);
    CHECK(listener.last == own.net.layout().size());
}

TEST_CASE("layers are given as many tops as they write") {
    const auto refused = [](const NetSpec& spec, const std::string& message) {
        CHECK_THROWS_WITH((Net<double, Cpu>(spec, {.data = Shape{2, 2, 1, 1}}, registry())), message);
    };
    refused(NetBuilder("n").slice("s", {}).build(), "layer 's': Slice writes at least one blob; it is given 0 names");
    refused(NetBuilder("n").split("s", {}).build(), "layer 's': Split writes at least one blob; it is given 0 names");
    NetSpec twice = stem(4).build();
    twice.layers[0].top.push_back("more");
    refused(twice, "layer 'ip': InnerProduct writes one blob; it is given 2 names");
}

TEST_CASE("only a layer of one bottom can take its tops for other names of it") {
    NetSpec spec = stem(4).custom("alias", "Alias").build();
    CHECK_NOTHROW(Net<double, Cpu>(spec, {.data = Shape{2, 2, 1, 1}}, registry()));
    spec.layers[1].bottom.push_back("data");
    CHECK_THROWS_WITH((Net<double, Cpu>(spec, {.data = Shape{2, 2, 1, 1}}, registry())),
                      Contains("layer 'alias'") && Contains("2 bottoms"));
}

TEST_CASE("what a layer reads and writes, in words") {
    const auto bottoms = [](const LayerOptions& options) { return layer_facts(options).bottoms_text(); };
    CHECK(bottoms(ReluOptions{}) == "one blob");
    CHECK(bottoms(ConcatOptions{}) == "at least one blob");
    CHECK(bottoms(EltwiseOptions{}) == "at least two blobs");
    CHECK(bottoms(ScaleOptions{}) == "one or two blobs");
    CHECK(bottoms(AccuracyOptions{}) == "two blobs, the scores and the labels");
    CHECK_THAT(bottoms(InfogainLossOptions{}), Contains("two or three blobs, the scores, the labels"));
    CHECK(layer_facts(SplitOptions{}).tops_text() == "at least one blob");
}
