// SPDX-License-Identifier: Apache-2.0
// Two ranks over socket pairs, with the test in the middle of their data connection.
#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>

#include "ranks.hpp"

#include "comm/transport/mesh.hpp"

namespace firecaffe::comm {

inline std::array<UniqueFd, 2> socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw UnavailableError("no socket pair");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// What happens in the middle.
struct Proxy {
    std::size_t flip = ~std::size_t{0};       ///< this byte from rank 0 to rank 1 is changed
    std::optional<Digest> key{};              ///< the connection is in TLS
    std::vector<std::byte>* heard = nullptr;  ///< gets what went from rank 0 to rank 1
};

/// Passes bytes on; ends with the streams.
inline void pass_on(int from, int to, const Proxy& proxy) {
    std::vector<std::byte> buffer(65536);
    std::size_t seen = 0;
    for (;;) {
        const ssize_t n = ::recv(from, buffer.data(), buffer.size(), 0);
        if (n <= 0) break;
        const auto count = static_cast<std::size_t>(n);
        if (proxy.flip >= seen && proxy.flip < seen + count) buffer[proxy.flip - seen] ^= std::byte{0x10};
        if (proxy.heard != nullptr) proxy.heard->insert(proxy.heard->end(), buffer.begin(), buffer.begin() + n);
        seen += count;
        if (::send(to, buffer.data(), count, MSG_NOSIGNAL) != n) break;
    }
    ::shutdown(to, SHUT_WR);
}

/// Throws UnavailableError if TLS does not begin.
inline Connection connection_of(UniqueFd fd, TlsStream::Side side, const std::optional<Digest>& key) {
    if (!key) return fd;
    Connection connection(std::move(fd), side, *key);
    std::string why;
    if (!complete_handshake(connection, Clock::now() + std::chrono::seconds(5), why)) throw UnavailableError(why);
    return connection;
}

inline Mesh mesh_of(Rank rank, Connection data, UniqueFd control) {
    Mesh mesh;
    mesh.rank = rank;
    mesh.peers = {{0, "left", 10}, {1, "right", 11}};
    mesh.data.resize(2);
    mesh.data[static_cast<std::size_t>(1 - rank)] = std::move(data);
    mesh.control.resize(2);
    mesh.control[rank == 0 ? 1 : 0] = Channel(std::move(control));
    mesh.deadline_seconds = 4;
    return mesh;
}

/// Rank 0 sends `length` bytes through the proxy, then both wait for an answer of rank 1.
inline std::vector<Outcome> send_through(const Proxy& proxy, std::size_t length, const OperationTag& sent,
                                         const OperationTag& expected, std::size_t expected_length,
                                         bool* intact = nullptr) {
    auto left = socket_pair(), right = socket_pair(), control = socket_pair();
    std::vector<Outcome> outcomes(2);
    const int from = left[1].get(), to = right[0].get();
    std::thread forward([&] { pass_on(from, to, proxy); });
    std::thread backward([&] { pass_on(to, from, {}); });
    std::thread rank_0([&] {
        outcomes[0] = outcome_of([&] {
            auto data = connection_of(std::move(left[0]), TlsStream::Side::client, proxy.key);
            const auto transport = make_mesh_transport(mesh_of(0, std::move(data), std::move(control[0])));
            const auto out = pattern(length, 1);
            std::byte answer{};
            transport->wait(*transport->post_send(1, sent, out));
            transport->wait(*transport->post_receive(1, {99, 0, 0}, std::span(&answer, 1)));
            transport->close();
        });
    });
    std::thread rank_1([&] {
        outcomes[1] = outcome_of([&] {
            auto data = connection_of(std::move(right[1]), TlsStream::Side::server, proxy.key);
            const auto transport = make_mesh_transport(mesh_of(1, std::move(data), std::move(control[1])));
            std::vector<std::byte> in(expected_length);
            const std::byte answer{};
            transport->wait(*transport->post_receive(0, expected, in));
            if (intact != nullptr) *intact = in == pattern(length, 1);
            transport->wait(*transport->post_send(0, {99, 0, 0}, std::span(&answer, 1)));
            transport->close();
        });
    });
    rank_0.join();
    rank_1.join();
    ::shutdown(from, SHUT_RDWR);
    ::shutdown(to, SHUT_RDWR);
    forward.join();
    backward.join();
    return outcomes;
}

}  // namespace firecaffe::comm
