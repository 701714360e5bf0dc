// SPDX-License-Identifier: Apache-2.0
// A thread for calls that may never return, as those into a library that waits for other machines.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace firecaffe::comm {

/// Used by one thread at a time.
class CallThread {
  public:
    CallThread();
    /// Ends the thread, or leaves it behind with a call that has not returned.
    ~CallThread();
    CallThread(const CallThread&) = delete;
    CallThread& operator=(const CallThread&) = delete;

    /// Begins a call; the one before must have returned. It owns what it touches: it may outlive whoever began it.
    void begin(std::function<void()> call);

    /// True once nothing is under way, false when the time is over before. Throws what the call has thrown, once.
    bool wait(std::chrono::duration<double> patience);

  private:
    struct State;
    std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace firecaffe::comm
