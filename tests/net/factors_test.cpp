// SPDX-License-Identifier: Apache-2.0
// Gradients that a net can also give as factors.
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "support/allocation_counter.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::AllocationCounter;
using firecaffe::testing::NetUnderTest;

namespace {

const Shape kData{5, 2, 6, 7};

/// An inner product behind a convolution, whose output may be in any layout, and two behind one of them.
NetSpec products() {
    NetBuilder b("products");
    b.convolution("conv", {.num_output = 9, .kernel_size = 3, .weight_filler = xavier()}).relu();
    b.inner_product("ip1", {.num_output = 13, .weight_filler = xavier(), .bias_filler = gaussian(0.1)}).tanh();
    b.inner_product("ip2", {.num_output = 17, .bias_term = false, .weight_filler = xavier()}).sigmoid();
    return b.inner_product("ip3", {.num_output = 4, .weight_filler = xavier()}).softmax_with_loss().build();
}

template <class T>
std::vector<std::string> names(const Net<T, Cpu>& net) {
    std::vector<std::string> found;
    for (const auto& f : net.gradient_factors()) found.push_back(net.layout().parameters()[f.parameter].name);
    return found;
}

template <class T>
void check_products() {
    NetUnderTest<T> t(products(), kData, 4);
    const auto all = t.net.gradient_factors();
    REQUIRE(names(t.net) == std::vector<std::string>{"ip3.weight", "ip2.weight", "ip1.weight"});
    const auto& parameters = t.net.layout().parameters();
    std::vector<std::vector<T>> memory;
    std::vector<FactorPlace<T>> places(parameters.size());
    for (const auto& f : all) {
        CHECK(f.samples == 5);
        CHECK(f.rows * f.columns == parameters[f.parameter].count);
        memory.emplace_back(f.count(), T{-7});
        places[f.parameter] = {memory.back().data(), memory.back().data() + f.right()};
    }
    t.loss();
    const AllocationCounter counter;
    t.net.backward(t.key, t.gradients, nullptr, places);
    CHECK((std::is_same_v<T, double> ? counter.count() : counter.large()) == 0);  // oneDNN's own are small
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::vector<T> product(parameters[all[i].parameter].count, T{-1});
        all[i].multiply(memory[i].data(), product.data());
        const std::span<const T> gradient = t.gradients.of(parameters[all[i].parameter]);
        CAPTURE(parameters[all[i].parameter].name);
        CHECK(std::ranges::equal(product, gradient));
        CHECK(std::ranges::any_of(gradient, [](T g) { return g != 0; }));
    }
}

}  // namespace

TEST_CASE("the factors of inner products make their gradients, bit by bit") {
    check_products<float>();
    check_products<double>();
}

TEST_CASE("factors are written where they are wanted, and change nothing else") {
    NetUnderTest<float> t(products(), kData, 4);
    t.loss();
    t.net.backward(t.key, t.gradients);
    const std::vector<float> expected(t.gradients.values().begin(), t.gradients.values().end());
    const auto all = t.net.gradient_factors();
    std::vector<float> memory(all[1].count() + 1, -7.0f);
    std::vector<FactorPlace<float>> places(t.net.layout().parameters().size());
    places[all[1].parameter] = {memory.data(), memory.data() + all[1].right()};
    t.loss();
    t.net.backward(t.key, t.gradients, nullptr, places);
    CHECK(std::ranges::equal(t.gradients.values(), expected));
    CHECK(memory[0] != -7.0f);
    CHECK(memory[all[1].right()] != -7.0f);
    CHECK(memory.back() == -7.0f);
    places.pop_back();
    CHECK_THROWS_WITH(t.net.backward(t.key, t.gradients, nullptr, places),
                      Catch::Matchers::Contains("factors of 6 parameters of 7; give one for each"));
}

TEST_CASE("what several layers share, and what no loss depends on, has no factors") {
    NetBuilder b("n");
    const InnerProductOptions square{.num_output = 4, .weight_filler = xavier()};
    b.inner_product("first", square);
    b.inner_product("a", square).param({{.name = "w"}, {}}).inner_product("b", square).param({{.name = "w"}, {}});
    b.softmax_with_loss().from("b").inner_product("unused", square);
    const NetUnderTest<float> t(b.build(), kData, 4);
    CHECK(names(t.net) == std::vector<std::string>{"first.weight"});
}

TEST_CASE("a layer that tells of factors and writes none is not trained on garbage") {
    class Forgetful final : public Layer<float, Cpu> {
      public:
        LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
            return {{bottoms[0]}, {{"scale", Shape{2, 3}, xavier()}}};
        }
        void forward(const ForwardPass<float, Cpu>&) override {}
        void backward(const BackwardPass<float, Cpu>&) override {}
        std::optional<GradientFactors<float>> factors(std::size_t) const override {
            return GradientFactors<float>{.samples = 1, .rows = 2, .columns = 3};
        }
    } layer;
    CHECK_THROWS_AS(layer.write_factors({}, 0, {}), UsageError);
    CHECK_THROWS_WITH(layer.write_factors({}, 0, {}), Catch::Matchers::Contains("override write_factors()"));
}
