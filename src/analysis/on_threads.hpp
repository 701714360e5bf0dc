// SPDX-License-Identifier: Apache-2.0
// Runs a function on several threads at once, or on none.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

#include "firecaffe/core/error.hpp"

namespace firecaffe::analysis {

/// How a thread is started; tests have one that fails.
using ThreadStarter = std::function<std::jthread(std::function<void()>)>;

inline std::jthread start_thread(std::function<void()> body) {
    return std::jthread(std::move(body));
}

/// Runs `f(thread)` for threads 0..threads-1, and returns when all are done. None begins before all have started, so
/// that they may wait for each other. Rethrows what the first of them threw. Throws UsageError if the system starts
/// fewer; then `f` is not called.
template <class F>
void on_threads(int threads, const F& f, const ThreadStarter& start = start_thread) {
    enum class Gate { closed, open, given_up };
    std::atomic<Gate> gate{Gate::closed};
    const auto set_gate = [&gate](Gate value) {
        gate = value;
        gate.notify_all();
    };
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads));
    {
        std::vector<std::jthread> running;
        running.reserve(failures.size());
        const auto body = [&](std::size_t thread) {
            gate.wait(Gate::closed);
            if (gate == Gate::given_up) return;
            try {
                f(thread);
            } catch (...) {
                failures[thread] = std::current_exception();
            }
        };
        try {
            for (std::size_t t = 0; t < failures.size(); ++t) running.push_back(start([&body, t] { body(t); }));
        } catch (const std::system_error& error) {
            set_gate(Gate::given_up);
            throw UsageError("cannot run ", threads, " threads at once: the system starts ", running.size(), " (",
                             error.code().message(), "); use fewer");
        } catch (...) {
            set_gate(Gate::given_up);
            throw;
        }
        set_gate(Gate::open);
    }
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

}  // namespace firecaffe::analysis
