// SPDX-License-Identifier: Apache-2.0
// MathThreads: a fixed team of threads that works through numbered items. Shards are the items: each is computed by one
// thread, so the number of threads changes nothing but the time.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace firecaffe {

class MathThreads {
  public:
    /// `threads` in all; the caller of run() is thread 0, the others are started here.
    explicit MathThreads(int threads);
    ~MathThreads();
    MathThreads(const MathThreads&) = delete;
    MathThreads& operator=(const MathThreads&) = delete;

    int size() const { return static_cast<int>(threads_.size()) + 1; }

    /// Calls work(thread, item) for every item in [0, items), handed out in ascending order; returns when all are
    /// done. After an exception no further items are handed out, and the first one is thrown here.
    void run(int items, const std::function<void(int thread, int item)>& work);

  private:
    void stop();
    void help(int thread);
    void take_items(int thread, std::unique_lock<std::mutex>& lock);

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    const std::function<void(int, int)>* work_ = nullptr;
    int items_ = 0, next_ = 0, busy_ = 0;
    bool stop_ = false;
    std::exception_ptr error_;
    std::vector<std::thread> threads_;
};

}  // namespace firecaffe
