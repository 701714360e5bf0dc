// SPDX-License-Identifier: Apache-2.0
// TLS between ranks: who disagrees about it, what somebody in the middle sees, and what becomes of what he changes.
// That all else is as without it, the tests of every way in which data travel show.
#include <algorithm>

#include "catch.hpp"
#include "proxy.hpp"

#include "firecaffe/comm/rendezvous/handshake.hpp"

using namespace firecaffe::comm;
using firecaffe::Digest;
using Kind = Outcome::Kind;

namespace {

const Way kTls{TransportKind::tcp, Encryption::tls};
const Digest kKey = connection_key(encryption_key(test_token()), Digest{});

}  // namespace

TEST_CASE("the key of a connection in TLS is bound to token and handshake") {
    Hello hello;
    hello.rank = 1;
    const Digest key = authentication_key(test_token());
    ServerHandshake server(key);
    ClientHandshake client(key, hello);
    REQUIRE(server.verify(client.prove(server.challenge())));
    CHECK(client.transcript() == server.transcript());

    ServerHandshake later(key);
    ClientHandshake other(key, hello);
    REQUIRE(later.verify(other.prove(later.challenge())));
    CHECK(later.transcript() != server.transcript());

    const Digest ours = connection_key(encryption_key(test_token()), server.transcript());
    CHECK(ours != connection_key(encryption_key(test_token()), later.transcript()));
    CHECK(ours != connection_key(encryption_key(bytes_of("another token of enough bytes")), server.transcript()));
    CHECK(encryption_key(test_token()) != authentication_key(test_token()));
}

TEST_CASE("ranks that disagree about encryption all say who does, and soon") {
    auto all = job_options(3, kTls);
    SECTION("one is without") {
        all[2].encryption = Encryption::none;
    }
    SECTION("one is with") {
        all[0].encryption = all[1].encryption = Encryption::none;
    }
    SECTION("rank 0 is without") {
        all[0].encryption = Encryption::none;
    }
    const char* const of_rank_0 = to_string(all[0].encryption);
    for (const Outcome& outcome : run_ranks(all, [](Transport&) {})) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == Kind::config);
        CHECK(contains(outcome.text, "the ranks disagree about encryption: rank "));
        CHECK(contains(outcome.text, "rank 0 (host "));
        CHECK(contains(outcome.text,
                       firecaffe::text("with '", of_rank_0, "'; start all ranks with the same encryption")));
        CHECK(outcome.seconds < 5);
    }
}

TEST_CASE("only TLS hides from the middle what ranks send") {
    const auto out = pattern(700'000, 1);
    for (const bool tls : {false, true}) {
        CAPTURE(tls);
        std::vector<std::byte> heard;
        bool intact = false;
        Proxy proxy{.heard = &heard};
        if (tls) proxy.key = kKey;
        for (const Outcome& outcome : send_through(proxy, out.size(), {5, 2, 9}, {5, 2, 9}, out.size(), &intact))
            CHECK(outcome.text == "");
        CHECK(intact);
        CHECK(heard.size() > out.size());
        const auto found = std::search(heard.begin(), heard.end(), out.begin() + 5000, out.begin() + 5016);
        CHECK((found == heard.end()) == tls);
    }
}

TEST_CASE("a byte that somebody changes in TLS is found by both ranks, and blamed on the way") {
    // Early, in the middle and near the end.
    for (const std::size_t flip : {1000u, 5'000u, 130'000u, 500'000u, 700'000u}) {
        CAPTURE(flip);
        for (const Outcome& outcome :
             send_through({.flip = flip, .key = kKey}, 700'000, {5, 2, 9}, {5, 2, 9}, 700'000)) {
            CAPTURE(outcome.text);
            CHECK(outcome.kind == Kind::peer_lost);
            CHECK(contains(outcome.text, "rank 0 (host left, pid 10)"));
            CHECK(contains(outcome.text, "its data connection is not what it encrypted"));
            CHECK(contains(outcome.text, "check the network between the two"));
            CHECK(contains(outcome.text, "Start again."));
            CHECK(outcome.seconds < 3);
        }
    }
}

TEST_CASE("a byte that somebody changes in TLS's handshake ends it on both sides") {
    for (const Outcome& outcome : send_through({.flip = 30, .key = kKey}, 1000, {5, 2, 9}, {5, 2, 9}, 1000)) {
        CAPTURE(outcome.text);
        CHECK(outcome.kind == Kind::unavailable);
        CHECK(contains(outcome.text, "TLS could not begin"));
        CHECK(outcome.seconds < 3);
    }
}
