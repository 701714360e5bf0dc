// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/background.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/wait_awake.hpp"
#include "firecaffe/core/error.hpp"
#include "reducer/check_gathered.hpp"

namespace firecaffe {

class BackgroundReducer::Worker {
  public:
    Worker(std::unique_ptr<BlockingReducer> work, BackgroundOptions options) : work_(std::move(work)) {
        if (work_ == nullptr) throw UsageError("BackgroundReducer: no work was given; pass a BlockingReducer");
        if (options.queue == 0) throw UsageError("BackgroundReducer: queue is 0; give at least 1");
        queue_.resize(options.queue);
        for (Item& item : queue_) item.partials.reserve(static_cast<std::size_t>(work_->partials()));
        thread_ = std::thread([this] { serve(); });
    }

    ~Worker() {
        bool under_way = false;
        {
            const std::scoped_lock lock(mutex_);
            under_way = done_ < submitted_;
        }
        if (under_way) abort("its reducer went away with requests under way");
        stop();
    }

    const BlockingReducer& work() const { return *work_; }
    BlockingReducer& work() { return *work_; }

    Ticket submit(const ReduceRequest& request) {
        check(request);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || error_ || submitted_ - done_ < queue_.size(); });
        if (error_) std::rethrow_exception(error_);
        if (stopping_) throw UsageError("bucket ", request.bucket, " was submitted after close(); submit before it");
        Item& item = item_of(submitted_);
        item.partials.assign(request.partials.begin(), request.partials.end());
        item.request = request;
        item.request.partials = item.partials;
        ++submitted_;
        to_do_.notify_one();
        return submitted_;
    }

    void wait(Ticket ticket) {
        std::unique_lock lock(mutex_);
        if (ticket == 0 || ticket > submitted_) {
            throw UsageError("wait for ticket ", ticket, " of ", submitted_, "; pass what submit() returned");
        }
        // After a failure, not before reduce() has let go of the memory.
        wait_awake(changed_, lock, [&] { return done_ >= ticket || (error_ && !busy_); });
        if (done_ < ticket) std::rethrow_exception(error_);
    }

    void sum(const ReduceRequest& request) {
        check(request);
        std::unique_lock lock(mutex_);
        if (busy_ || done_ != submitted_ || error_ || stopping_) {
            lock.unlock();
            return wait(submit(request));
        }
        ++submitted_;
        work_on(request, lock);
        if (error_ && done_ != submitted_) std::rethrow_exception(error_);
    }

    void close() {
        {
            std::unique_lock lock(mutex_);
            if (stopping_) return;
            changed_.wait(lock, [&] { return done_ == submitted_ || (error_ && !busy_); });
        }
        stop();
        work_->close();
    }

    void abort(std::string_view reason) noexcept {
        work_->abort(reason);
        try {
            record(std::make_exception_ptr(PeerLostError("rank ", work_->rank(), " gave up: ", reason)));
        } catch (...) {  // no memory for a message; work_ has its own
        }
    }

    ReducerStatistics statistics() const {
        const std::scoped_lock lock(mutex_);
        ReducerStatistics statistics = statistics_;
        statistics.bytes_sent = work_->bytes_sent();
        statistics.kept_back = work_->kept_back();
        statistics.schemes = work_->schemes();
        return statistics;
    }

  private:
    struct Item {
        ReduceRequest request;
        std::vector<std::byte*> partials;
    };

    Item& item_of(std::uint64_t number) { return queue_[number % queue_.size()]; }

    void check(const ReduceRequest& request) const {
        if (request.dtype != DType::float32 && request.dtype != DType::float64) {
            throw UsageError("bucket ", request.bucket, ": cannot sum ", request.dtype, "; use float32 or float64");
        }
        if (request.ready != nullptr && !work_->on_gpu())
            throw UsageError("bucket ", request.bucket, ": reducer '", work_->name(), "' sums the host's memory and ",
                             "waits for no GPU; submit what is complete, or make it with ReducerOptions::on_gpu");
        if (request.gathered_shards != 0) {
            check_gathering(request);
        } else if (request.partials.size() != static_cast<std::size_t>(work_->partials())) {
            throw UsageError("bucket ", request.bucket, ": ", request.partials.size(), " partial sums, but rank ",
                             work_->rank(), " of ", work_->size(), " brings ", work_->partials(),
                             "; see maximal_nodes() in comm/collective/shard_tree.hpp");
        }
        if (request.count > 0 && std::ranges::count(request.partials, nullptr) > 0) {
            throw UsageError("bucket ", request.bucket, ": a partial sum is a null pointer; pass ", request.count,
                             " elements of memory");
        }
    }

    void check_gathering(const ReduceRequest& request) const {
        if (!work_->gathers())
            throw UsageError("bucket ", request.bucket, ": reducer '", work_->name(),
                             "' sums and cannot gather; ask gathers() first");
        check_gathered(request);
    }

    void record(std::exception_ptr error) {
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::move(error);
        to_do_.notify_one();
        changed_.notify_all();
    }

    void stop() {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
            to_do_.notify_one();
            changed_.notify_all();
        }
        if (thread_.joinable()) thread_.join();
    }

    void serve() noexcept {
        std::unique_lock lock(mutex_);
        while (true) {
            to_do_.wait(lock, [&] { return !busy_ && (stopping_ || error_ || done_ < submitted_); });
            if (error_ || done_ == submitted_) return;
            work_on(item_of(done_).request, lock);
        }
    }

    // The request that is next, without the lock while it is summed.
    void work_on(const ReduceRequest& request, std::unique_lock<std::mutex>& lock) noexcept {
        busy_ = true;
        const std::uint64_t sequence = done_ + 1;
        lock.unlock();
        const auto start = std::chrono::steady_clock::now();
        std::exception_ptr error = reduce(request, sequence);
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        lock.lock();
        busy_ = false;
        statistics_.busy_seconds += seconds.count();
        if (!error) {
            ++done_;
            ++statistics_.requests;
            statistics_.bytes_reduced += request.count * size_of(request.dtype);
        } else if (!error_) {
            error_ = error;
        }
        if (stopping_ || error_ || done_ < submitted_) to_do_.notify_one();
        changed_.notify_all();
    }

    std::exception_ptr reduce(const ReduceRequest& request, std::uint64_t sequence) noexcept {
        try {
            work_->reduce(request, sequence);
            return nullptr;
        } catch (const std::exception& error) {
            work_->abort(error.what());
            return std::current_exception();
        } catch (...) {
            work_->abort("an exception of unknown type");
            return std::current_exception();
        }
    }

    std::unique_ptr<BlockingReducer> work_;
    mutable std::mutex mutex_;
    std::condition_variable to_do_;    // for the thread, which sleeps on while a caller's thread forms a sum: sum()
    std::condition_variable changed_;  // for callers
    std::vector<Item> queue_;          // a ring: request n lies at n % size
    std::uint64_t submitted_ = 0;      // requests so far
    std::uint64_t done_ = 0;
    bool busy_ = false;  // in reduce()
    bool stopping_ = false;
    std::exception_ptr error_;  // the first failure; the thread ends with it
    ReducerStatistics statistics_;
    std::thread thread_;
};

BackgroundReducer::BackgroundReducer(std::unique_ptr<BlockingReducer> work, BackgroundOptions options)
    : worker_(std::make_unique<Worker>(std::move(work), options)) {}
BackgroundReducer::~BackgroundReducer() = default;

std::string_view BackgroundReducer::name() const {
    return worker_->work().name();
}
int BackgroundReducer::rank() const {
    return worker_->work().rank();
}
int BackgroundReducer::size() const {
    return worker_->work().size();
}
bool BackgroundReducer::canonical() const {
    return worker_->work().canonical();
}
bool BackgroundReducer::exact() const {
    return worker_->work().exact();
}
bool BackgroundReducer::gathers() const {
    return worker_->work().gathers();
}
bool BackgroundReducer::on_gpu() const {
    return worker_->work().on_gpu();
}
Ticket BackgroundReducer::submit(const ReduceRequest& request) {
    return worker_->submit(request);
}
void BackgroundReducer::wait(Ticket ticket) {
    worker_->wait(ticket);
}
Memory<Cpu> BackgroundReducer::allocate(std::size_t bytes) {
    return worker_->work().allocate(bytes);
}
Memory<Cuda> BackgroundReducer::allocate_on_gpu(std::size_t bytes) {
    return worker_->work().allocate_on_gpu(bytes);
}
void BackgroundReducer::note_progress() noexcept {
    worker_->work().note_progress();
}
void BackgroundReducer::sum(const ReduceRequest& request) {
    worker_->sum(request);
}
void BackgroundReducer::close() noexcept {
    worker_->close();
}
void BackgroundReducer::abort(std::string_view reason) noexcept {
    worker_->abort(reason);
}
ReducerStatistics BackgroundReducer::statistics() const {
    return worker_->statistics();
}

}  // namespace firecaffe
