// SPDX-License-Identifier: Apache-2.0
// Frames that are damaged or not the expected ones.
#include "catch.hpp"
#include "proxy.hpp"

#include "comm/transport/checksum.hpp"
#include "comm/transport/frame.hpp"

using namespace firecaffe::comm;
using firecaffe::DType;
using Kind = Outcome::Kind;

TEST_CASE("a checksum is the same in one piece and in several, and starts anew when it is taken") {
    const auto data = pattern(100'003, 3);
    RunningChecksum running;
    for (const std::size_t length : {0u, 1u, 7u, 240u, 241u, 256u, 1025u, 100'000u})
        for (const std::size_t start : {0u, 1u, 3u}) {
            CAPTURE(length, start);
            const auto part = std::span(data).subspan(start, length);
            running.add(part.first(length / 3));
            running.add({});
            running.add(part.subspan(length / 3));
            CHECK(running.take() == checksum(part));
        }
    CHECK(checksum({}) == 0x2d06800538d394c2u);  // of nothing, as the specification of XXH3 has it
    CHECK(checksum(std::span(data).first(10)) != checksum(std::span(data).first(11)));
}

TEST_CASE("a frame's header survives the wire, and no flipped bit does") {
    const FrameHeader header{7, {1842, 3, 615, DType::float64, 125'000}, 1'000'000, 262'144, 0xdeadbeef};
    const auto bytes = encode(header);
    const auto back = decode(bytes);
    REQUIRE(back);
    CHECK(back->tag.sequence == 1842);
    CHECK(back->tag.dtype == DType::float64);
    CHECK(back->tag.count == 125'000);
    CHECK(back->offset == 262'144);
    int accepted = 0;
    for (std::size_t i = 0; i < kFrameHeaderBytes; ++i)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto damaged = bytes;
            damaged[i] ^= static_cast<std::byte>(1u << bit);
            if (decode(damaged)) ++accepted;
        }
    CHECK(accepted == 0);
}

TEST_CASE("an untouched stream passes the proxy") {
    bool intact = false;
    for (const Outcome& outcome : send_through({}, 700'000, {5, 2, 9}, {5, 2, 9}, 700'000, &intact))
        CHECK(outcome.text == "");
    CHECK(intact);
}

TEST_CASE("a byte changed on the way is found by both ranks, wherever it is") {
    // In the header; at both ends and in the middle of a payload; in the second frame's header and payload.
    for (const std::size_t flip : {3u, 20u, 63u, 64u, 130'000u, 262'207u, 262'208u + 10, 500'000u, 700'191u}) {
        CAPTURE(flip);
        for (const Outcome& outcome : send_through({.flip = flip}, 700'000, {5, 2, 9}, {5, 2, 9}, 700'000)) {
            CAPTURE(outcome.text);
            CHECK(outcome.kind == Kind::peer_lost);
            CHECK(contains(outcome.text, "rank 0 (host left, pid 10)"));
            CHECK(contains(outcome.text, "it sent a damaged frame"));
            CHECK(contains(outcome.text, "bucket 2 of step 9 (all-reduce #5"));
            CHECK(contains(outcome.text, "Start again."));
            CHECK(outcome.seconds < 3);
        }
    }
}

TEST_CASE("another operation than expected names both") {
    struct Case {
        OperationTag expected;
        std::size_t length;
        const char* text;
    };
    for (const Case& entry : {Case{{6, 2, 9}, 1000, "1000 bytes of bucket 2 of step 9 (all-reduce #6)"},
                              Case{{5, 3, 9}, 1000, "bucket 3 of step 9"}, Case{{5, 2, 8}, 1000, "bucket 2 of step 8"},
                              Case{{5, 2, 9, DType::float64}, 1000, "0 elements of float64"},
                              Case{{5, 2, 9, DType::uint8, 500}, 1000, "(all-reduce #5), 500 elements of uint8"},
                              Case{{5, 2, 9}, 1001, "1001 bytes"}, Case{{5, 2, 9}, 0, " 0 bytes of bucket 2"}}) {
        for (const Outcome& outcome : send_through({}, 1000, {5, 2, 9}, entry.expected, entry.length)) {
            CAPTURE(outcome.text);
            CHECK(outcome.kind == Kind::peer_lost);
            CHECK(contains(outcome.text, "it sent 1000 bytes of bucket 2 of step 9 (all-reduce #5)"));
            CHECK(contains(outcome.text, entry.text));
            CHECK(contains(outcome.text, "same buckets in the same order"));
        }
    }
}
