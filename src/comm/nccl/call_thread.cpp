// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/call_thread.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

struct CallThread::State {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> call;  // under way; empty: none
    std::exception_ptr error;
    bool stop = false;

    void serve() {
        std::unique_lock lock(mutex);
        while (true) {
            changed.wait(lock, [&] { return stop || call; });
            if (!call) return;
            lock.unlock();
            std::exception_ptr thrown;
            try {
                call();  // nobody replaces it before it is empty again
            } catch (...) {
                thrown = std::current_exception();
            }
            lock.lock();
            call = nullptr;
            error = thrown;
            changed.notify_all();
        }
    }
};

CallThread::CallThread() : state_(std::make_shared<State>()), thread_([state = state_] { state->serve(); }) {}

CallThread::~CallThread() {
    bool idle = false;
    {
        const std::scoped_lock lock(state_->mutex);
        state_->stop = true;
        idle = !state_->call;
        state_->changed.notify_all();
    }
    idle ? thread_.join() : thread_.detach();
}

void CallThread::begin(std::function<void()> call) {
    const std::scoped_lock lock(state_->mutex);
    FIRECAFFE_INVARIANT(!state_->call);
    state_->call = std::move(call);
    state_->changed.notify_all();
}

bool CallThread::wait(std::chrono::duration<double> patience) {
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, patience, [&] { return !state_->call; })) return false;
    if (std::exception_ptr error = std::exchange(state_->error, nullptr)) std::rethrow_exception(error);
    return true;
}

}  // namespace firecaffe::comm
