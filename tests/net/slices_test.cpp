// SPDX-License-Identifier: Apache-2.0
// What a Concat joins, written in its place: which values are slices, and that nobody can tell by the numbers.
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/net/builder.hpp"
#include "net/channels_last_layers.hpp"
#include "support/net_check.hpp"

using namespace firecaffe;
using firecaffe::testing::channels_last_registry;
using firecaffe::testing::NetUnderTest;

namespace {

const Shape kData{2, 2, 4, 3};

ConvolutionOptions square(std::int64_t outputs, std::int64_t side) {
    return {.num_output = outputs, .kernel_size = side, .pad = side / 2, .weight_filler = msra()};
}

NetBuilder branches() {
    NetBuilder b("branches");
    b.convolution("stem", square(6, 3)).relu();
    b.from("stem").convolution("a", square(4, 1)).relu();
    b.from("stem").convolution("b", square(2, 3));
    return b;
}
NetSpec with_loss(NetBuilder& b) {
    b.flatten("flat");  // which reads plain layout only
    return b.inner_product("scores", {.num_output = 3, .weight_filler = xavier()}).softmax_with_loss().build();
}

/// Loss and gradients with slices have the bits of those without, in two passes over the same memory.
void check_bits(const NetSpec& spec, const NetOptions& options = {.data = kData}) {
    NetOptions copying = options;
    copying.join_in_place = false;
    NetUnderTest<double> sliced(spec, options, 3, 3, channels_last_registry());
    NetUnderTest<double> copied(spec, copying, 3, 3, channels_last_registry());
    for (std::uint32_t step = 0; step < 2; ++step) {
        sliced.key.step = copied.key.step = step;
        REQUIRE(sliced.loss() == copied.loss());
        for (const std::string& blob : options.retain)
            REQUIRE(std::ranges::equal(sliced.net.blob(blob).storage(), copied.net.blob(blob).storage()));
        if (options.phase != Phase::train) continue;
        sliced.net.backward(sliced.key, sliced.gradients);
        copied.net.backward(copied.key, copied.gradients);
        REQUIRE(std::ranges::equal(sliced.gradients.values(), copied.gradients.values()));
    }
}

/// Which bottoms of the layer are in their places.
std::vector<bool> in_place(const NetSpec& spec, const std::string& layer, const NetOptions& options = {.data = kData}) {
    const Net<double, Cpu> net(spec, options, channels_last_registry());
    for (const LayerSummary& summary : net.summary())
        if (summary.name == layer) return summary.in_place;
    return {};
}

using Bools = std::vector<bool>;

}  // namespace

TEST_CASE("a concat's bottoms that nobody else reads are written in their places") {
    NetBuilder b = branches();
    b.concat("joined", {"a", "b"});
    const NetSpec spec = with_loss(b);
    CHECK(in_place(spec, "joined") == Bools{true, true});
    CHECK(in_place(spec, "joined", {.data = kData, .join_in_place = false}) == Bools{false, false});
    check_bits(spec);
    check_bits(spec, {.data = kData, .phase = Phase::test, .retain = {"scores"}});
    const Net<double, Cpu> sliced(spec, {.data = kData}, channels_last_registry());
    for (const LayerSummary& layer : sliced.summary()) {
        CHECK(layer.absorbed_backward == (layer.name == "relu_a"));  // that of the stem is no slice
        CHECK((layer.absorbed || layer.type != "ReLU"));
    }
}

TEST_CASE("a slice lies where its channels do") {
    NetBuilder b = branches();
    b.from("stem").convolution("c", square(2, 1)).concat("joined", {"b", "a", "c"});
    const NetSpec spec = b.build();
    Net<double, Cpu> net(spec, {.data = kData, .retain = {"joined"}}, channels_last_registry());
    Net<double, Cpu> apart(spec, {.data = kData, .retain = {"a", "b", "c"}}, channels_last_registry());
    Arena<double, Cpu> parameters(net.layout());
    net.initialize(parameters, 1);
    for (Net<double, Cpu>* one : {&net, &apart}) {
        one->bind(parameters);
        for (std::size_t i = 0; i < one->data().storage().size(); ++i)
            one->data().storage()[i] = 0.1 * static_cast<double>(i % 17) - 0.7;
        one->forward({});
    }
    const std::int64_t positions = kData.count_from(2);
    for (std::int64_t n = 0; n < kData[0]; ++n) {
        std::int64_t first = 0;
        for (const char* part : {"b", "a", "c"}) {
            const std::int64_t channels = apart.blob(part).shape()[1];
            CHECK(std::equal(apart.blob(part).data() + n * channels * positions,
                             apart.blob(part).data() + (n + 1) * channels * positions,
                             net.blob("joined").data() + (n * 8 + first) * positions));
            first += channels;
        }
    }
}

TEST_CASE("what others read, what is kept, and what begins at an odd place is copied") {
    NetBuilder b = branches();
    b.concat("joined", {"a", "b"});
    check_bits(with_loss(b), {.data = kData, .retain = {"a", "joined"}});
    CHECK(in_place(b.build(), "joined", {.data = kData, .retain = {"a"}}) == Bools{false, true});

    b = branches();
    b.from("a").convolution("reader", square(2, 1)).concat("joined", {"a", "b", "reader"});
    CHECK(in_place(b.build(), "joined") == Bools{false, true, true});
    check_bits(with_loss(b));

    b = branches();
    b.concat("joined", {"a", "b", "b"});
    CHECK(in_place(b.build(), "joined") == Bools{true, false, false});
    check_bits(with_loss(b));

    b = branches();
    b.from("a").dropout().concat("joined", {"a", "b"});
    CHECK(in_place(b.build(), "joined") == Bools{false, true});
    check_bits(with_loss(b));

    b = branches();
    b.from("stem").convolution("odd", square(3, 1)).concat("joined", {"odd", "a", "b"});
    CHECK(in_place(b.build(), "joined") == Bools{false, false, false});  // pixels are nine elements apart
    b.from("stem").convolution("more", square(1, 1)).concat("even", {"a", "odd", "more", "b"});
    CHECK(in_place(b.build(), "even") == Bools{false, false, false, false});  // all are read twice
    check_bits(with_loss(b));

    b = branches();
    b.from("stem").convolution("odd", square(3, 1)).from("stem").convolution("more", square(1, 1));
    b.concat("joined", {"a", "odd", "more", "b"});
    CHECK(in_place(b.build(), "joined") == Bools{true, true, false, true});
    check_bits(with_loss(b));
}

TEST_CASE("a layer that would overwrite a concat's top runs beside it where a slice is read again") {
    for (const bool relu : {false, true}) {
        NetBuilder b("n");
        b.convolution("a", square(2, 1));
        if (relu) b.relu();
        b.from("data").convolution("b", square(2, 1)).concat("joined", {"a", "b"}).dropout();
        const NetSpec spec = with_loss(b);
        CHECK(in_place(spec, "joined") == Bools{true, true});
        check_bits(spec);
    }
}

TEST_CASE("concats of concats, and a concat that no loss depends on") {
    NetBuilder b = branches();
    b.concat("inner", {"a", "b"}).from("stem").convolution("c", square(2, 1)).concat("outer", {"inner", "c"});
    const NetSpec spec = with_loss(b);
    CHECK(in_place(spec, "inner") == Bools{true, true});
    CHECK(in_place(spec, "outer") == Bools{false, true});
    check_bits(spec);

    b = branches();
    b.concat("unused", {"a", "b"}).from("stem").convolution("c", square(2, 1));
    const NetSpec with_unused = with_loss(b);
    CHECK(in_place(with_unused, "unused") == Bools{true, true});
    check_bits(with_unused);
}

TEST_CASE("random nets: a concat in place changes no bit") {
    for (std::uint32_t number = 0; number < 150; ++number) {
        const RandomStream random(11, RandomPurpose::user, number);
        std::uint64_t draws = 0;
        const auto below = [&](std::size_t bound) { return random.below(draws++, static_cast<std::uint32_t>(bound)); };
        NetBuilder b("random");
        std::vector<std::string> blobs;
        const auto add = [&](const char* kind) {
            blobs.push_back(kind + std::to_string(blobs.size()));
            return blobs.back();
        };
        b.convolution(add("conv"), square(4, 3));
        for (std::size_t i = 0; i < 8; ++i) {
            b.from(blobs[blobs.size() - 1 - below(std::min<std::size_t>(blobs.size(), 4))]);
            switch (below(6)) {
                case 0:
                    b.relu();
                    break;
                case 1:
                    b.dropout({.dropout_ratio = 0.25});
                    break;
                case 2:
                case 3: {
                    std::vector<std::string> bottoms;
                    for (std::size_t k = 0; k < 2 + below(2); ++k)
                        bottoms.push_back(blobs[blobs.size() - 1 - below(std::min<std::size_t>(blobs.size(), 5))]);
                    b.concat(add("concat"), bottoms);
                    break;
                }
                default:
                    b.convolution(add("conv"), square(1 + below(4), 1 + 2 * below(2)));
                    if (below(2) == 0) b.relu();
            }
        }
        INFO("net " << number);
        NetSpec spec = with_loss(b.from(blobs.back()));
        for (std::size_t i = 0; i < spec.layers.size(); ++i) spec.layers[i].name += std::to_string(i);
        check_bits(spec);
        if (number % 3 == 0) check_bits(spec, {.data = kData, .retain = {blobs[below(blobs.size())]}});
    }
}
