// SPDX-License-Identifier: Apache-2.0
// Ranks as threads of the test: each joins over loopback and runs the same function.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "firecaffe/comm/rendezvous/join.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

inline std::vector<std::byte> bytes_of(std::string_view text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

inline std::vector<std::byte> test_token() {
    return bytes_of("a token of thirty-two bytes long");
}

/// Bytes that depend on who sends what to whom.
inline std::vector<std::byte> pattern(std::size_t length, std::uint32_t seed) {
    std::vector<std::byte> bytes(length);
    std::uint32_t state = seed * 2654435761u + 1;
    for (std::byte& b : bytes) {
        state = state * 1664525u + 1013904223u;
        b = static_cast<std::byte>(state >> 24);
    }
    return bytes;
}

/// What became of one rank.
struct Outcome {
    enum class Kind { good, config, unavailable, usage, peer_lost, other } kind = Kind::good;
    std::string text;
    double seconds = 0;
};

template <class Function>
Outcome outcome_of(Function&& function) {
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome;
    using Kind = Outcome::Kind;
    try {
        function();
    } catch (const ConfigError& e) {
        outcome = {Kind::config, e.what(), 0};
    } catch (const UnavailableError& e) {
        outcome = {Kind::unavailable, e.what(), 0};
    } catch (const UsageError& e) {
        outcome = {Kind::usage, e.what(), 0};
    } catch (const PeerLostError& e) {
        outcome = {Kind::peer_lost, e.what(), 0};
    } catch (const std::exception& e) {
        outcome = {Kind::other, e.what(), 0};
    }
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return outcome;
}

/// How data travel in a test.
struct Way {
    Way(TransportKind k, Encryption e = Encryption::none) : kind(k), encryption(e) {}
    TransportKind kind;
    Encryption encryption;
};

inline std::ostream& operator<<(std::ostream& to, const Way& way) {
    return to << (way.kind == TransportKind::shared_memory ? "shared memory" : "TCP")
              << (way.encryption == Encryption::tls ? " in TLS" : "");
}

inline std::vector<Way> every_way() {
    return {TransportKind::tcp, {TransportKind::tcp, Encryption::tls}, TransportKind::shared_memory};
}

/// Options of every rank of a job that meets at a fresh port of 127.0.0.1.
inline std::vector<JoinOptions> job_options(int size, const Way& way = TransportKind::automatic) {
    const TcpListener listener = listen_tcp("127.0.0.1");
    std::vector<JoinOptions> all;
    for (int rank = 0; rank < size; ++rank) {
        JoinOptions options;
        options.rank = rank;
        options.size = size;
        options.address = listener.address;
        options.listen_fd = rank == 0 ? listener.fd : -1;
        options.token = test_token();
        options.job = "test";
        options.config = "{\"batch\": 32}";
        options.build = "b1";
        options.transport = way.kind;
        options.encryption = way.encryption;
        options.rendezvous_seconds = 20;
        all.push_back(std::move(options));
    }
    return all;
}

using RankFunction = std::function<void(Transport&)>;

/// Joins with each of the options in a thread of its own, runs `function`, closes.
inline std::vector<Outcome> run_ranks(const std::vector<JoinOptions>& all, const RankFunction& function) {
    std::vector<Outcome> outcomes(all.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < all.size(); ++i)
        threads.emplace_back([&, i] {
            outcomes[i] = outcome_of([&] {
                const auto transport = join_tcp(all[i]);
                function(*transport);
                transport->close();
            });
        });
    for (std::thread& thread : threads) thread.join();
    return outcomes;
}

inline bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace firecaffe::comm
