// SPDX-License-Identifier: Apache-2.0
// Ranks as threads, for tests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "firecaffe/comm/transport/threads.hpp"

/// Runs body(rank, transport) on one thread per rank; each owns its transport. Returns what each threw, "" for nothing.
inline std::vector<std::string> run_ranks(
    int ranks, double deadline_seconds,
    const std::function<void(int, std::shared_ptr<firecaffe::comm::Transport>)>& body) {
    auto transports = firecaffe::comm::make_thread_transports(ranks, {.deadline_seconds = deadline_seconds});
    std::vector<std::string> errors(static_cast<std::size_t>(ranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
        const auto r = static_cast<std::size_t>(rank);
        threads.emplace_back([&body, rank, transport = std::move(transports[r]), error = &errors[r]]() mutable {
            try {
                body(rank, std::move(transport));
            } catch (const std::exception& e) {
                *error = e.what();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    return errors;
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}
