// SPDX-License-Identifier: Apache-2.0
// Waiting for something that is expected within milliseconds, without letting the core fall asleep.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace firecaffe {

/// How long wait_awake() keeps its core awake: several times what workers of one step differ by.
inline constexpr std::chrono::milliseconds kAwake{20};

/// As changed.wait(lock, ready), but for the first kAwake it offers the core to other threads instead of blocking. A
/// core on which nobody runs goes to sleep, in a virtual machine back to the host, and comes back late and with cold
/// caches, so that two workers that block whenever they wait for each other need more processor time for the same work.
/// Who wants the core gets it, so more threads than cores do no harm but to the power bill.
template <class Ready>
void wait_awake(std::condition_variable& changed, std::unique_lock<std::mutex>& lock, Ready ready) {
    const auto until = std::chrono::steady_clock::now() + kAwake;
    while (!ready()) {
        if (std::chrono::steady_clock::now() >= until) {
            changed.wait(lock, ready);
            return;
        }
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
    }
}

}  // namespace firecaffe
