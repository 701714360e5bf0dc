// SPDX-License-Identifier: Apache-2.0
#include "communicator.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace fake_nccl {

Communicator::Communicator(const Address& hub, int rank, int ranks)
    : faults_(Faults::of_rank(rank)),
      hub_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      thread_([this] { work(); }) {
    begin([this, hub, rank, ranks] { return connect(hub, rank, ranks); });
}

Communicator::~Communicator() {
    {
        const std::scoped_lock lock(mutex_);
        ends_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

Result Communicator::state() {
    std::unique_lock lock(mutex_);
    if (state_ != Result::in_progress) return state_;
    if (const auto late = faults_.find("late", calls_)) {
        asked_ = true;
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::duration<double>(late->seconds));
        lock.lock();
        asked_ = false;
    }
    return state_;
}

Result Communicator::begin(Task task) {
    const std::scoped_lock lock(mutex_);
    if (state_ != Result::success) return Result::invalid_usage;
    state_ = Result::in_progress;
    tasks_.push_back(std::move(task));
    changed_.notify_all();
    return Result::in_progress;
}

void Communicator::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return ends_ || aborted_ || !tasks_.empty(); });
        if (ends_ || aborted_) return;
        const Task task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        const Result result = task();
        lock.lock();
        state_ = result;
    }
}

Result Communicator::connect(const Address& hub, int rank, int ranks) {
    if (const Result planned = suffer(0); planned != Result::success) return planned;
    const sockaddr_in address = loopback(hub.port);
    const Hello hello{hub.secret, rank, ranks};
    const bool there = ::connect(hub_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    char welcome = 0;  // comes when all ranks are there
    return there && hub_.send(&hello, sizeof hello) && hub_.receive(&welcome, 1) ? Result::success
                                                                                 : Result::remote_error;
}

Result Communicator::sum(const void* from, void* to, std::size_t count, DataType type) {
    int call = 0;
    {
        std::unique_lock lock(mutex_);
        call = ++calls_;
        if (faults_.find("stuck", call)) {
            sleep_until_aborted(lock);
            return Result::invalid_usage;
        }
    }
    return begin([this, from, to, count, type, call] { return add_up(from, to, count, type, call); });
}

Result Communicator::add_up(const void* from, void* to, std::size_t count, DataType type, int call) {
    if (const Result planned = suffer(call); planned != Result::success) return planned;
    const Header header{count, static_cast<int>(type)};
    const std::size_t bytes = count * size_of(header.type);
    if (!hub_.send(&header, sizeof header) || !hub_.send(from, bytes) || !hub_.receive(to, bytes))
        return Result::remote_error;
    if (const auto fault = faults_.find("corrupt", call); fault && fault->element < count)
        static_cast<unsigned char*>(to)[(fault->element + 1) * size_of(header.type) - 1] ^= 0x40;  // the exponent's top
    return Result::success;
}

Result Communicator::finalize() {
    int call = 0;
    {
        const std::scoped_lock lock(mutex_);
        call = ++calls_;
    }
    return begin([this, call] {
        const Result planned = suffer(call);
        hub_.shut();
        return planned;
    });
}

void Communicator::abort() {
    const std::scoped_lock lock(mutex_);
    if (asked_) {
        std::fputs("fake NCCL: ncclCommAbort frees a communicator that ncclCommGetAsyncError looks at\n", stderr);
        std::abort();
    }
    aborted_ = true;
    hub_.shut();
    changed_.notify_all();
}

Result Communicator::suffer(int call) {
    std::unique_lock lock(mutex_);
    if (const auto slow = faults_.find("slow", call))
        changed_.wait_for(lock, std::chrono::duration<double>(slow->seconds), [&] { return aborted_; });
    if (faults_.find("never", call)) sleep_until_aborted(lock);
    return faults_.find("error", call) ? Result::system_error : Result::success;
}

void Communicator::sleep_until_aborted(std::unique_lock<std::mutex>& lock) {
    changed_.wait(lock, [&] { return aborted_; });
}

}  // namespace fake_nccl
