// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/core/error.hpp"
#include "firecaffe/tensor/arena.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;

namespace {

ArenaLayout small_layout() {
    ArenaLayout layout;
    layout.add("ip.weight", Shape{2, 3}, 1.0, 0.5);
    layout.add("ip.bias", Shape{2}, 2.0, 0.0);
    return layout;
}

}  // namespace

TEST_CASE("parameters follow each other at multiples of 16 elements") {
    const ArenaLayout layout = small_layout();
    REQUIRE(layout.parameters().size() == 2);
    const ParameterInfo& bias = layout.parameters()[1];
    CHECK(bias.name == "ip.bias");
    CHECK(bias.offset == 16);
    CHECK(bias.count == 2);
    CHECK(bias.end() == 18);
    CHECK(bias.lr_mult == 2.0);
    CHECK(bias.decay_mult == 0.0);
    CHECK(layout.size() == 32);
    CHECK(layout.parameter_count() == 8);
    CHECK(layout.find("ip.bias") == &bias);
    CHECK(layout.find("ip.") == nullptr);
    CHECK(ArenaLayout{}.size() == 0);
    CHECK(ArenaLayout{}.parameter_count() == 0);
}

TEST_CASE("a name that is taken is refused") {
    ArenaLayout layout = small_layout();
    CHECK_THROWS_WITH(layout.add("ip.bias", Shape{1}, 1, 1), Contains("'ip.bias'") && Contains("twice"));
    CHECK(layout.parameters().size() == 2);
}

TEST_CASE("an arena starts as zeros, aligned, with its tail behind the parameters") {
    Arena<float, Cpu> arena(small_layout(), 5);
    CHECK(arena.extent() == 37);
    CHECK(arena.values().size() == 32);
    CHECK(arena.tail().size() == 5);
    CHECK(arena.tail().data() == arena.data() + 32);
    CHECK(reinterpret_cast<std::uintptr_t>(arena.data()) % kAlignment == 0);
    CHECK(std::all_of(arena.data(), arena.data() + arena.extent(), [](float v) { return v == 0.0f; }));
    const ParameterInfo bias = small_layout().parameters()[1];
    arena.of(bias)[1] = 7;
    CHECK(arena.data()[17] == 7);
    const float* before = arena.data();
    const Arena<float, Cpu> moved = std::move(arena);
    CHECK(moved.data() == before);
    CHECK(moved.of(bias)[1] == 7);
    CHECK(Arena<double, Cpu>(ArenaLayout{}).extent() == 0);
}

TEST_CASE("the digest of parameters has the known answer") {
    // printf 'ip.bias 2 float32\n\0\0\x80\x3f\0\0\0\xc0ip.weight 2x3 float32\n' and 24 zero bytes, into sha256sum
    const ArenaLayout layout = small_layout();
    Arena<float, Cpu> arena(layout);
    arena.of(layout.parameters()[1])[0] = 1.0f;
    arena.of(layout.parameters()[1])[1] = -2.0f;
    CHECK(parameters_digest(layout, arena) == "bfd1e7ee4499c87d0e050cfeebad9b5dff01262723edf0e72525c1d0e7478e84");
    Arena<double, Cpu> doubles(layout);
    doubles.of(layout.parameters()[1])[0] = 1.0;
    doubles.of(layout.parameters()[1])[1] = -2.0;
    CHECK(parameters_digest(layout, doubles) == "ef80b3a7ee964d352aae42fdb1edee0d66cc64ee51a9023c6b504a62de1c8a23");
    CHECK(parameters_digest(ArenaLayout{}, Arena<float, Cpu>(ArenaLayout{})) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("the digest sees names, shapes, values and the sign of zero, but neither order, gaps nor the tail") {
    const ArenaLayout layout = small_layout();
    Arena<float, Cpu> arena(layout, 4);
    const std::string digest = parameters_digest(layout, arena);
    arena.data()[10] = 3;  // in a gap
    arena.tail()[0] = 3;
    CHECK(parameters_digest(layout, arena) == digest);
    ArenaLayout turned;
    turned.add("ip.bias", Shape{2}, 1, 1);
    turned.add("ip.weight", Shape{2, 3}, 1, 1);
    CHECK(parameters_digest(turned, Arena<float, Cpu>(turned)) == digest);
    ArenaLayout reshaped;
    reshaped.add("ip.weight", Shape{3, 2}, 1, 1);
    reshaped.add("ip.bias", Shape{2}, 1, 1);
    CHECK(parameters_digest(reshaped, Arena<float, Cpu>(reshaped)) != digest);
    ArenaLayout renamed;
    renamed.add("ip.weight", Shape{2, 3}, 1, 1);
    renamed.add("ip.bios", Shape{2}, 1, 1);
    CHECK(parameters_digest(renamed, Arena<float, Cpu>(renamed)) != digest);
    arena.data()[0] = -0.0f;
    CHECK(parameters_digest(layout, arena) != digest);
}
