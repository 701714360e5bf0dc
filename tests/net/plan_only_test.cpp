// SPDX-License-Identifier: Apache-2.0
// Nets that are planned and have no memory.
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "firecaffe/net/net.hpp"

using namespace firecaffe;

namespace {

NetSpec two_layers() {
    return NetBuilder("two_layers")
        .convolution("conv1", {.num_output = 64, .kernel_size = 3, .pad = 1})
        .relu()
        .pooling("mean", {.pool = ops::PoolMethod::average, .global_pooling = true})
        .inner_product("scores", {.num_output = 10})
        .softmax_with_loss()
        .build();
}

}  // namespace

TEST_CASE("a net without memory is planned as the one with memory") {
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    const Net<float, Cpu> full(two_layers(), {.data = Shape{4, 3, 16, 16}}, registry);
    const Net<float, Cpu> plan(two_layers(), {.data = Shape{4, 3, 16, 16}, .allocate = false}, registry);
    CHECK(plan.activation_bytes() == full.activation_bytes());
    CHECK(plan.unshared_activation_bytes() == full.unshared_activation_bytes());
    CHECK(plan.layout().size() == full.layout().size());
    const std::vector<LayerSummary> a = full.summary(), b = plan.summary();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a[i].tops == b[i].tops);
        CHECK(a[i].gradients == b[i].gradients);
        CHECK(a[i].runs_backward == b[i].runs_backward);
    }
    CHECK(b[0].gradients == std::vector<bool>{false});  // nobody wants the gradient of the images
    CHECK(b.back().gradients == std::vector<bool>{true, false});
    CHECK(b[0].parameters == std::vector<Shape>{{64, 3, 3, 3}, {64}});
    CHECK(b[0].number == 0);
}

TEST_CASE("a net of any size is planned anywhere") {
    const auto registry = LayerRegistry<double, Cpu>::with_builtin();
    const Net<double, Cpu> net(two_layers(), {.data = Shape{100'000, 3, 224, 224}, .allocate = false}, registry);
    CHECK(net.activation_bytes() > 1'000'000'000'000);
}

TEST_CASE("a net without memory says so when it is asked to run") {
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    Net<float, Cpu> net(two_layers(), {.data = Shape{4, 3, 16, 16}, .allocate = false}, registry);
    const Arena<float, Cpu> parameters(net.layout());
    CHECK_THROWS_WITH(net.bind(parameters), Catch::Matchers::Contains("'two_layers' was planned without memory"));
    CHECK_THROWS_AS(net.forward({}), UsageError);
    CHECK(net.data().data() == nullptr);
}
