// SPDX-License-Identifier: Apache-2.0
// Waiting for MPI, which moves bytes only while it is asked whether it is done.
#pragma once

#include <chrono>
#include <thread>

namespace firecaffe::comm {

/// So many questions, of a microsecond or less each, before the core is offered to others. A sum takes MPI many
/// steps, and who gave the core away at each of them would wait for it as often.
inline constexpr int kPollsPerYield = 10;

/// Asks until `done` or until `patience` is over; false for the latter. `pause` is slept between questions, by those who
/// are in no hurry.
template <class Done>
bool poll_until(std::chrono::duration<double> patience, Done done, std::chrono::microseconds pause = {}) {
    const auto since = std::chrono::steady_clock::now();
    while (true) {
        for (int i = 0; i < kPollsPerYield; ++i)
            if (done()) return true;
        if (std::chrono::steady_clock::now() - since > patience) return false;
        if (pause.count() > 0)
            std::this_thread::sleep_for(pause);
        else
            std::this_thread::yield();
    }
}

}  // namespace firecaffe::comm
