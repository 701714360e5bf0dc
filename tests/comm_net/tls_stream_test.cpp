// SPDX-License-Identifier: Apache-2.0
// Two ends of TLS without a network: what goes from one to the other passes through the test.
#include <algorithm>

#include "catch.hpp"
#include "ranks.hpp"

#include "comm/transport/tls_stream.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"

using namespace firecaffe::comm;
using firecaffe::Digest;
using Side = TlsStream::Side;
using Bytes = std::vector<std::byte>;

namespace {

const Digest kKey = connection_key(encryption_key(test_token()), Digest{});
const Digest kOtherKey = connection_key(encryption_key(test_token()), Digest{std::byte{1}});

Bytes take_outgoing(TlsStream& from) {
    Bytes bytes;
    for (auto part = from.outgoing(); !part.empty(); part = from.outgoing()) {
        bytes.insert(bytes.end(), part.begin(), part.end());
        from.sent(part.size());
    }
    return bytes;
}

// Gives bytes to an end and appends what it unwraps; pieces of at most `piece`.
void give(TlsStream& to, std::span<const std::byte> bytes, Bytes& unwrapped, std::size_t piece = ~std::size_t{0}) {
    Bytes buffer(5000);
    do {
        const auto room = to.room();
        const std::size_t count = std::min({piece, room.size(), bytes.size()});
        std::copy_n(bytes.begin(), count, room.begin());
        to.filled(count);
        bytes = bytes.subspan(count);
        if (!to.shake_hands()) {
            if (count == 0) return;
            continue;
        }
        std::size_t n = 0;
        do {
            n = to.read(buffer);
            unwrapped.insert(unwrapped.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
        } while (n > 0);
    } while (!bytes.empty() && to.damage().empty());
}

struct Ends {
    TlsStream client, server;
    Bytes at_client, at_server;  // what each has unwrapped

    explicit Ends(const Digest& of_server = kKey, std::uint64_t records_per_key = TlsStream::kRecordsPerKey)
        : client(Side::client, kKey, records_per_key), server(Side::server, of_server, records_per_key) {}

    // Three flights, and two for an alert.
    void shake_hands(std::size_t piece = ~std::size_t{0}) {
        for (int flight = 0; flight < 5; ++flight) fly(flight, take_flight(flight), piece);
    }
    Bytes take_flight(int flight) {
        client.shake_hands();
        return take_outgoing(flight % 2 == 0 ? client : server);
    }
    void fly(int flight, const Bytes& bytes, std::size_t piece = ~std::size_t{0}) {
        if (flight % 2 == 0)
            give(server, bytes, at_server, piece);
        else
            give(client, bytes, at_client, piece);
    }
    bool through() { return client.shake_hands() && server.shake_hands(); }
};

// All of `bytes`, wrapped.
Bytes wrap(TlsStream& from, std::span<const std::byte> bytes) {
    Bytes wire;
    while (!bytes.empty()) {
        const std::size_t n = from.write(bytes);
        bytes = bytes.subspan(n);
        const Bytes part = take_outgoing(from);
        wire.insert(wire.end(), part.begin(), part.end());
        if (n == 0 && part.empty()) break;
    }
    return wire;
}

bool starts(const Bytes& whole, const Bytes& part) {
    return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

}  // namespace

TEST_CASE("two ends of TLS with one key agree, and bytes pass both ways in pieces of any size") {
    for (const std::size_t piece : {1ul, 7ul, 16'401ul, ~0ul}) {
        CAPTURE(piece);
        Ends ends;
        ends.shake_hands(piece);
        REQUIRE(ends.through());
        for (const std::size_t length : {1u, 64u, 16'384u, 16'385u, 700'001u}) {
            if (piece == 1 && length > 20'000) continue;
            const Bytes out = pattern(length, 1), back = pattern(length, 2);
            ends.at_server.clear();
            ends.at_client.clear();
            give(ends.server, wrap(ends.client, out), ends.at_server, piece);
            give(ends.client, wrap(ends.server, back), ends.at_client, piece);
            CHECK(ends.at_server == out);
            CHECK(ends.at_client == back);
            CHECK_FALSE(ends.server.readable());
        }
    }
}

TEST_CASE("an end of TLS with another key gets nowhere, and both ends say so") {
    Ends ends(kOtherKey);
    ends.shake_hands();
    CHECK_FALSE(ends.client.shake_hands());
    CHECK_FALSE(ends.server.shake_hands());
    CHECK(ends.client.damage() != "");
    CHECK(ends.server.damage() != "");
    const Bytes secret = bytes_of("nobody may hear this");
    CHECK(ends.client.write(secret) == 0);
    CHECK(ends.server.read(ends.at_server) == 0);
}

TEST_CASE("a handshake of TLS that is changed at any byte fails, or was not changed in what counts") {
    constexpr int kFlights = 3;
    for (int changed = 0; changed < kFlights; ++changed) {
        CAPTURE(changed);
        int agreed = 0;
        std::size_t length = 1;
        for (std::size_t flip = 0; flip < length; ++flip) {
            Ends ends;
            for (int flight = 0; flight < kFlights + 2; ++flight) {
                Bytes bytes = ends.take_flight(flight);
                if (flight == changed) {
                    length = bytes.size();
                    bytes[flip] ^= std::byte{0x10};
                }
                ends.fly(flight, bytes);
            }
            // The version in the header of a record that is not encrypted means nothing (RFC 8446, 5.1).
            const bool counts = changed == 2 || (flip != 1 && flip != 2);
            if (ends.through() && counts) ++agreed;
        }
        CHECK(length > 50);
        CHECK(agreed == 0);
    }
}

TEST_CASE("garbage, halves and records that are too long are no TLS") {
    SECTION("random bytes") {
        for (std::uint32_t seed = 0; seed < 200; ++seed) {
            TlsStream server(Side::server, kKey), client(Side::client, kKey);
            Bytes nothing;
            client.shake_hands();
            give(server, pattern(2000, seed), nothing);
            give(client, pattern(2000, seed), nothing);
            CHECK_FALSE(server.shake_hands());
            CHECK_FALSE(client.shake_hands());
            CHECK(nothing.empty());
        }
    }
    SECTION("half a handshake waits for the rest") {
        Ends ends;
        ends.client.shake_hands();
        const Bytes hello = take_outgoing(ends.client);
        give(ends.server, std::span(hello).first(hello.size() / 2), ends.at_server);
        CHECK_FALSE(ends.server.shake_hands());
        CHECK(ends.server.damage() == "");
        CHECK(ends.server.outgoing().empty());
    }
    SECTION("a record of 65535 bytes, before and after the handshake") {
        const Bytes header{std::byte{0x17}, std::byte{3}, std::byte{3}, std::byte{0xff}, std::byte{0xff}};
        Ends early, late;
        give(early.server, header, early.at_server);
        CHECK(early.server.damage() != "");
        late.shake_hands();
        REQUIRE(late.through());
        give(late.server, header, late.at_server);
        CHECK(late.server.damage() != "");
    }
}

TEST_CASE("records that are changed, cut, repeated or swapped never turn into bytes") {
    const Bytes out = pattern(600, 3);
    Bytes wire;
    const auto unwrap = [&](const std::function<Bytes(Bytes, Bytes)>& change, std::string* damage = nullptr) {
        Ends ends;
        ends.shake_hands();
        REQUIRE(ends.through());
        const Bytes first = wrap(ends.client, std::span(out).first(300)),
                    second = wrap(ends.client, std::span(out).last(300));
        wire = first;
        give(ends.server, change(first, second), ends.at_server);
        if (damage != nullptr) *damage = ends.server.damage();
        return ends.at_server;
    };
    const auto joined = [](Bytes a, const Bytes& b) {
        a.insert(a.end(), b.begin(), b.end());
        return a;
    };
    CHECK(unwrap(joined) == out);
    CHECK(wire.size() == 300 + 22);  // header, type and tag
    int wrong = 0;
    for (std::size_t flip = 0; flip < wire.size(); ++flip)
        for (const unsigned mask : {1u, 0x80u}) {
            const Bytes got = unwrap([&](Bytes a, const Bytes& b) {
                a[flip] ^= static_cast<std::byte>(mask);
                return joined(a, b);
            });
            if (!got.empty()) ++wrong;
        }
    CHECK(wrong == 0);
    for (std::size_t length = 0; length < wire.size(); ++length)
        if (!unwrap([&](const Bytes& a, const Bytes&) {
                 return Bytes(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length));
             }).empty())
            ++wrong;
    CHECK(wrong == 0);
    std::string damage;
    CHECK(unwrap([&](const Bytes& a, const Bytes&) { return joined(a, a); }, &damage) ==
          Bytes(out.begin(), out.begin() + 300));
    CHECK(damage != "");
    CHECK(unwrap([&](const Bytes& a, const Bytes& b) { return joined(b, a); }, &damage).empty());
    CHECK(damage != "");
}

TEST_CASE("what TLS sends does not show what it wraps") {
    Ends ends;
    ends.shake_hands();
    REQUIRE(ends.through());
    const Bytes out = pattern(100'000, 4);
    const Bytes wire = wrap(ends.client, out);
    CHECK(wire.size() > out.size());
    for (std::size_t at = 0; at + 8 <= out.size(); at += 1000)
        CHECK(std::search(wire.begin(), wire.end(), out.begin() + static_cast<std::ptrdiff_t>(at),
                          out.begin() + static_cast<std::ptrdiff_t>(at) + 8) == wire.end());
    // The same bytes again look different.
    CHECK(wrap(ends.client, out) != wire);
}

TEST_CASE("TLS changes its keys on the way") {
    Ends ends(kKey, 3);
    ends.shake_hands();
    REQUIRE(ends.through());
    Bytes to_server, to_client;
    for (std::uint32_t i = 0; i < 300; ++i) {
        const Bytes out = pattern(1000, i);
        to_server.insert(to_server.end(), out.begin(), out.end());
        give(ends.server, wrap(ends.client, out), ends.at_server);
        if (i % 2 == 0) continue;
        to_client.insert(to_client.end(), out.begin(), out.end());
        give(ends.client, wrap(ends.server, out), ends.at_client);
    }
    CHECK(ends.server.damage() == "");
    CHECK(ends.client.damage() == "");
    CHECK(ends.at_server == to_server);
    CHECK(ends.at_client == to_client);
}

TEST_CASE("TLS wraps no more than it has room for") {
    Ends ends;
    ends.shake_hands();
    REQUIRE(ends.through());
    const Bytes out = pattern(1'000'000, 5);
    const std::size_t most = ends.client.write(out);
    CHECK(most >= 16'384);
    CHECK(most < 200'000);
    CHECK(ends.client.write(std::span(out).subspan(most)) == 0);
    give(ends.server, take_outgoing(ends.client), ends.at_server);
    CHECK(ends.at_server.size() == most);
    CHECK(starts(out, ends.at_server));
    CHECK(ends.client.write(std::span(out).subspan(most)) > 0);
}

TEST_CASE("an end of TLS that finishes is heard, after what it wrote") {
    Ends ends;
    ends.shake_hands();
    REQUIRE(ends.through());
    const Bytes last = bytes_of("the last words");
    ends.client.write(last);
    ends.client.finish();
    CHECK_FALSE(ends.server.ended());
    give(ends.server, take_outgoing(ends.client), ends.at_server);
    CHECK(ends.at_server == last);
    CHECK(ends.server.ended());
    CHECK(ends.server.damage() == "");
}
