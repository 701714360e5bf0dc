// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "firecaffe/net/graph.hpp"
#include "firecaffe/net/memory_plan.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;

namespace {
const std::vector<std::string> kInputs{"data", "label"};
LayerSpec layer(std::string name, std::vector<std::string> bottom, std::vector<std::string> top) {
    LayerSpec l;
    l.name = std::move(name);
    l.type = "ReLU";
    l.bottom = std::move(bottom);
    l.top = std::move(top);
    l.options = ReluOptions{};
    return l;
}
}  // namespace

TEST_CASE("each writing of a blob makes a new value") {
    const NetSpec spec = NetBuilder("n").convolution("a", {}).relu().convolution("b", {}).from("a").lrn("c").build();
    const Graph graph = build_graph(spec, Phase::train, kInputs);
    REQUIRE(graph.nodes.size() == 4);
    const int before = graph.nodes[0].tops[0], after = graph.nodes[1].tops[0];
    CHECK(before != after);
    CHECK(graph.nodes[2].bottoms[0] == after);
    CHECK(graph.nodes[3].bottoms[0] == after);
    CHECK(graph.values[static_cast<std::size_t>(after)].consumers == std::vector<int>{2, 3});
    CHECK(graph.last_value("a") == after);
    CHECK(graph.last_value("nothing") == -1);
}

TEST_CASE("layers of the other phase are left out") {
    const NetSpec spec = NetBuilder("n").convolution("a", {}).only_in(Phase::test).build();
    CHECK(build_graph(spec, Phase::train, kInputs).nodes.empty());
    CHECK(build_graph(spec, Phase::test, kInputs).nodes.size() == 1);
}

TEST_CASE("a graph that cannot be is refused with the reason") {
    NetSpec spec;
    spec.layers = {layer("a", {"dta"}, {"a"})};
    CHECK_THROWS_WITH(build_graph(spec, Phase::train, kInputs),
                      Contains("'a'") && Contains("'dta'") && Contains("data"));
    spec.layers = {layer("a", {"b"}, {"a"}), layer("b", {"a"}, {"b"})};
    CHECK_THROWS_WITH(build_graph(spec, Phase::train, kInputs), Contains("cycle"));
    spec.layers = {layer("a", {"a"}, {"a"})};
    CHECK_THROWS_WITH(build_graph(spec, Phase::train, kInputs), Contains("cycle"));
    spec.layers = {layer("a", {"data"}, {"a"}), layer("b", {"a"}, {"b"})};
    spec.layers[0].in_test = false;
    CHECK_NOTHROW(build_graph(spec, Phase::train, kInputs));
    CHECK_THROWS_WITH(build_graph(spec, Phase::test, kInputs),
                      Contains("layer 'b'") && Contains("layer 'a', which does not exist in this phase"));
    spec.layers = {layer("a", {"data"}, {"a"}), layer("a", {"data"}, {"b"})};
    CHECK_THROWS_WITH(build_graph(spec, Phase::train, kInputs), Contains("twice"));
    spec.layers = {layer("a", {"data"}, {"x"}), layer("b", {"data"}, {"x"})};
    CHECK_THROWS_WITH(build_graph(spec, Phase::train, kInputs), Contains("'x'") && Contains("'b'"));
}

TEST_CASE("planned buffers share memory only when they never live together") {
    std::vector<BufferLifetime> buffers;
    std::uint32_t random = 12345;
    const auto next = [&](std::uint32_t bound) { return (random = random * 1664525u + 1013904223u) / 256 % bound; };
    for (int i = 0; i < 200; ++i) {
        const int first = static_cast<int>(next(50));
        buffers.push_back({next(5000), first, first + static_cast<int>(next(20))});
    }
    const MemoryPlan plan = plan_memory(buffers);
    std::size_t peak = 0;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        CHECK(plan.offsets[i] % 64 == 0);
        CHECK(plan.offsets[i] + buffers[i].bytes <= plan.bytes);
        for (std::size_t j = 0; j < i; ++j) {
            if (buffers[i].last < buffers[j].first || buffers[j].last < buffers[i].first) continue;
            const bool apart = plan.offsets[i] + buffers[i].bytes <= plan.offsets[j] ||
                               plan.offsets[j] + buffers[j].bytes <= plan.offsets[i];
            REQUIRE(apart);
        }
    }
    for (int tick = 0; tick < 70; ++tick) {
        std::size_t alive = 0;
        for (const auto& b : buffers)
            if (b.first <= tick && tick <= b.last) alive += (b.bytes + 63) / 64 * 64;
        peak = std::max(peak, alive);
    }
    CHECK(plan.bytes >= peak);
    CHECK(plan.bytes <= peak * 5 / 4);
    CHECK(plan.unshared_bytes > 2 * plan.bytes);
    CHECK(plan_memory({}).bytes == 0);
}
