// SPDX-License-Identifier: Apache-2.0
#include "train/math_threads.hpp"

#include <utility>

#include "core/wait_awake.hpp"

namespace firecaffe {

MathThreads::MathThreads(int threads) {
    try {
        for (int t = 1; t < threads; ++t) threads_.emplace_back([this, t] { help(t); });
    } catch (...) {
        stop();
        throw;
    }
}

MathThreads::~MathThreads() {
    stop();
}

void MathThreads::stop() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void MathThreads::take_items(int thread, std::unique_lock<std::mutex>& lock) {
    while (next_ < items_ && error_ == nullptr) {
        const int item = next_++;
        ++busy_;
        lock.unlock();
        std::exception_ptr error;
        try {
            (*work_)(thread, item);
        } catch (...) {
            error = std::current_exception();
        }
        lock.lock();
        --busy_;
        if (error != nullptr && error_ == nullptr) error_ = error;
    }
}

void MathThreads::help(int thread) {
    std::unique_lock lock(mutex_);
    while (!stop_) {
        take_items(thread, lock);
        if (busy_ == 0) done_.notify_one();
        wait_awake(wake_, lock, [this] { return stop_ || (next_ < items_ && error_ == nullptr); });
    }
}

void MathThreads::run(int items, const std::function<void(int, int)>& work) {
    std::unique_lock lock(mutex_);
    work_ = &work;
    next_ = 0;
    items_ = items;
    error_ = nullptr;
    if (items > 1) wake_.notify_all();
    take_items(0, lock);
    wait_awake(done_, lock, [this] { return busy_ == 0; });
    items_ = 0;
    if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace firecaffe
