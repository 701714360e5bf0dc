// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstring>
#include <string_view>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/random.hpp"
#include "firecaffe/core/sha256.hpp"
#include "firecaffe/core/shape.hpp"

using namespace firecaffe;

namespace {
std::span<const std::byte> bytes(std::string_view s) { return std::as_bytes(std::span(s.data(), s.size())); }
}  // namespace

TEST_CASE("errors carry their text and exit status") {
    const ConfigError error("layer '", "conv1", "': group ", 3, " does not divide ", 64, "; ratio ", 0.5);
    CHECK(std::string(error.what()) == "layer 'conv1': group 3 does not divide 64; ratio 0.5");
    CHECK(error.status() == ExitStatus::bad_config);
    CHECK(static_cast<int>(PeerLostError("x").status()) == 75);
}

TEST_CASE("shapes count and print") {
    const Shape shape{64, 3, 28, 28};
    CHECK(shape.count() == 64 * 3 * 28 * 28);
    CHECK(shape.count_from(1) == 3 * 28 * 28);
    CHECK(to_string(shape) == "64x3x28x28");
    CHECK(shape.with_batch(2)[0] == 2);
    CHECK(Shape{}.count() == 1);
    CHECK((Shape{0, 3}.count()) == 0);
    CHECK_THROWS_AS((Shape{-1, 2}), ShapeError);
}

TEST_CASE("Philox4x32-10 gives the published known answers") {
    // Known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10).
    CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == RandomBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          RandomBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          RandomBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random streams are uniform, normal and apart from each other") {
    const RandomStream stream(7, RandomPurpose::filler, 1, 2);
    double sum = 0, sum_normal = 0, sum_squares = 0;
    constexpr int n = 20000;
    for (int i = 0; i < n; ++i) {
        const auto k = static_cast<std::uint64_t>(i);
        REQUIRE(stream.uniform(k) >= 0.0f);
        REQUIRE(stream.uniform(k) < 1.0f);
        REQUIRE(stream.below(k, 10) < 10);
        sum += static_cast<double>(stream.uniform(k));
        sum_normal += stream.normal(k);
        sum_squares += stream.normal(k) * stream.normal(k);
    }
    CHECK(sum / n == Approx(0.5).margin(0.01));
    CHECK(sum_normal / n == Approx(0.0).margin(0.03));
    CHECK(sum_squares / n == Approx(1.0).margin(0.03));
    CHECK(RandomStream(7, RandomPurpose::shuffle, 1, 2).bits(0) != stream.bits(0));
    CHECK(RandomStream(8, RandomPurpose::filler, 1, 2).bits(0) != stream.bits(0));
    CHECK(RandomStream(7, RandomPurpose::filler, 2, 1).bits(0) != stream.bits(0));
}

TEST_CASE("SHA-256 and HMAC-SHA256 give the published answers") {
    CHECK(to_hex(sha256(bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // RFC 4231, test case 2.
    CHECK(to_hex(hmac_sha256(bytes("Jefe"), bytes("what do ya want for nothing?"))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(equal_in_constant_time(bytes("abc"), bytes("abc")));
    CHECK_FALSE(equal_in_constant_time(bytes("abc"), bytes("abd")));
}
