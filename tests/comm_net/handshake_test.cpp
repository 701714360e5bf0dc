// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "catch.hpp"
#include "ranks.hpp"

#include "firecaffe/comm/rendezvous/handshake.hpp"

using namespace firecaffe::comm;
using firecaffe::Digest;
using firecaffe::hmac_sha256;
using firecaffe::to_hex;

namespace {

Hello example_hello() {
    Hello hello;
    hello.role = ConnectionRole::data;
    hello.rank = 3;
    hello.target = 1;
    hello.incarnation = 0x0123456789abcdef;
    hello.job = job_id("night run");
    return hello;
}

// A copy with byte i changed.
template <class Bytes>
Bytes with_flip(Bytes bytes, std::size_t i, unsigned mask) {
    bytes[i] ^= static_cast<std::byte>(mask);
    return bytes;
}

}  // namespace

TEST_CASE("HMAC-SHA256 gives the published values of RFC 4231") {
    CHECK(to_hex(hmac_sha256(std::vector<std::byte>(20, std::byte{0x0b}), bytes_of("Hi There"))) ==
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(to_hex(hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("the key depends on every byte of the token") {
    const auto token = test_token();
    const Digest key = authentication_key(token);
    CHECK(key == authentication_key(token));
    CHECK(key != authentication_key({}));
    for (std::size_t i = 0; i < token.size(); ++i) CHECK(key != authentication_key(with_flip(token, i, 1)));
}

TEST_CASE("a hello survives the wire, and nothing else passes for one") {
    const Hello hello = example_hello();
    const auto bytes = encode(hello);
    const auto back = decode_hello(bytes);
    REQUIRE(back);
    CHECK(back->version == kProtocolVersion);
    CHECK(back->role == ConnectionRole::data);
    CHECK(back->rank == 3);
    CHECK(back->target == 1);
    CHECK(back->incarnation == hello.incarnation);
    CHECK(back->job == hello.job);
    for (const std::size_t fixed : {0u, 7u, 10u, 11u, 20u, 23u, 48u, 63u})
        CHECK(!decode_hello(with_flip(bytes, fixed, 0x40)));
    CHECK(!decode_hello(with_flip(bytes, 9, 0x40)));  // a role that does not exist
    CHECK(!decode_hello(std::array<std::byte, kHelloBytes>{}));
}

TEST_CASE("of a hello of another version only the version is read") {
    auto bytes = encode(example_hello());
    bytes[8] = std::byte{kProtocolVersion + 1};
    bytes[10] = bytes[48] = std::byte{0x40};
    const auto hello = decode_hello(bytes);
    REQUIRE(hello);
    CHECK(hello->version == kProtocolVersion + 1);
    CHECK(hello->rank == Hello{}.rank);
}

TEST_CASE("both sides accept each other with the same token only") {
    const Digest key = authentication_key(test_token());
    ServerHandshake server(key);
    ClientHandshake client(key, example_hello());
    const auto proof = client.prove(server.challenge());
    const auto hello = server.verify(proof);
    REQUIRE(hello);
    CHECK(hello->rank == 3);
    CHECK(hello->job == job_id("night run"));
    for (const Answer answer : {Answer::welcome, Answer::other_job, Answer::unexpected}) {
        const auto read = client.verify(server.answer(answer));
        REQUIRE(read);
        CHECK(*read == answer);
    }

    const Digest other = authentication_key(bytes_of("another token of enough bytes"));
    ClientHandshake stranger(other, example_hello());
    CHECK(!server.verify(stranger.prove(server.challenge())));
    // A server that does not know the token cannot convince the client, whatever it answers.
    ServerHandshake impostor(other, server.challenge());
    CHECK(!client.verify(impostor.answer(Answer::welcome)));
}

TEST_CASE("no changed byte gets through the handshake") {
    const Digest key = authentication_key(test_token());
    ServerHandshake server(key);
    ClientHandshake client(key, example_hello());
    const auto proof = client.prove(server.challenge());
    int accepted = 0;
    for (std::size_t i = 0; i < kProofBytes; ++i)
        for (unsigned bit = 0; bit < 8; ++bit)
            if (server.verify(with_flip(proof, i, 1u << bit))) ++accepted;
    CHECK(accepted == 0);
    REQUIRE(server.verify(proof));
    const auto answer = server.answer(Answer::welcome);
    REQUIRE(client.verify(answer));
    for (std::size_t i = 0; i < kAnswerBytes; ++i)
        for (unsigned bit = 0; bit < 8; ++bit)
            if (client.verify(with_flip(answer, i, 1u << bit))) ++accepted;
    CHECK(accepted == 0);
    // A challenge changed on the way makes both proofs wrong.
    for (std::size_t i = 0; i < kNonceBytes; ++i) {
        ClientHandshake misled(key, example_hello());
        if (server.verify(misled.prove(with_flip(server.challenge(), i, 1)))) ++accepted;
    }
    CHECK(accepted == 0);
}

TEST_CASE("no recorded, reflected or cut handshake gets through") {
    const Digest key = authentication_key(test_token());
    ServerHandshake first(key);
    ClientHandshake client(key, example_hello());
    const auto proof = client.prove(first.challenge());
    REQUIRE(first.verify(proof));
    const auto answer = first.answer(Answer::welcome);
    int accepted = 0;
    for (int i = 0; i < 1000; ++i) {
        ServerHandshake later(key);
        if (later.challenge() == first.challenge()) ++accepted;
        if (later.verify(proof)) ++accepted;  // replay to the server
        ClientHandshake next(key, example_hello());
        next.prove(first.challenge());        // even with the challenge of the recording
        if (next.verify(answer)) ++accepted;  // replay to the client
    }
    CHECK(accepted == 0);

    SECTION("reflection") {
        // The client's own tag, sent back to it as the server's.
        std::array<std::byte, kAnswerBytes> reflected{};
        std::copy_n(answer.begin(), 2, reflected.begin());
        std::copy_n(proof.begin() + kHelloBytes, 32, reflected.begin() + 2);
        CHECK(!client.verify(reflected));
        // A server's answer, sent to a server as a proof.
        std::array<std::byte, kProofBytes> turned{};
        std::copy_n(proof.begin(), kHelloBytes, turned.begin());
        std::copy_n(answer.begin() + 2, 32, turned.begin() + kHelloBytes);
        CHECK(!first.verify(turned));
    }
    SECTION("truncation and padding") {
        for (std::size_t length = 0; length < kProofBytes; ++length)
            if (first.verify(std::span(proof).first(length))) ++accepted;
        for (std::size_t length = 0; length < kAnswerBytes; ++length)
            if (client.verify(std::span(answer).first(length))) ++accepted;
        std::vector<std::byte> longer(proof.begin(), proof.end());
        longer.push_back(std::byte{0});
        if (first.verify(longer)) ++accepted;
        CHECK(accepted == 0);
    }
    SECTION("a proof for one rank does not serve another") {
        auto spliced = proof;
        Hello other = example_hello();
        other.rank = 0;
        std::copy_n(encode(other).begin(), 64, spliced.begin());  // all but the nonce
        CHECK(!first.verify(spliced));
    }
}
