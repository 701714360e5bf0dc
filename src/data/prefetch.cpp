// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/prefetch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "firecaffe/data/decorator.hpp"

namespace firecaffe {

namespace {

using Clock = std::chrono::steady_clock;

/// Longer waits would overflow the clock.
Clock::duration bounded(double seconds) {
    constexpr double kYear = 365.0 * 24 * 3600;
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::min(seconds, kYear)));
}

struct Stopped {};

/// Makes a batch end early: throws Stopped at the next sample once `stop` is set.
class StoppableDataset : public DatasetDecorator {
  public:
    StoppableDataset(DatasetPtr set, const std::atomic<bool>& stop) : DatasetDecorator(std::move(set)), stop_(stop) {}

    void get(std::uint32_t epoch, std::size_t index, Sample& sample) const override {
        if (stop_.load(std::memory_order_relaxed)) throw Stopped{};
        inner().get(epoch, index, sample);
    }
    bool has_bytes() const override { return inner().has_bytes(); }
    Shape byte_shape() const override { return inner().byte_shape(); }
    PixelTransform pixel_transform() const override { return inner().pixel_transform(); }
    void get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const override {
        if (stop_.load(std::memory_order_relaxed)) throw Stopped{};
        inner().get_bytes(epoch, index, sample);
    }

  private:
    const std::atomic<bool>& stop_;
};

}  // namespace

namespace detail {

/// What the loader, its threads and its leases share; whoever leaves last destroys it.
class PrefetchRing {
  public:
    PrefetchRing(DatasetPtr set, std::function<BatchRequest(std::uint64_t)> schedule, std::uint64_t tickets,
                 std::size_t depth, bool bytes, bool pinned)
        : set_(std::move(set), stop_),
          schedule_(std::move(schedule)),
          tickets_(tickets),
          form_(bytes && set_.has_bytes() ? PixelForm::bytes : PixelForm::floats),
          slots_(depth) {
        for (std::size_t i = 0; i < depth; ++i) {
            slots_[i].ticket = i;
            // Here and not by the readers, who do not know which GPU the caller uses.
            if (pinned && i < tickets) pin_batch(set_, schedule_(i).count, slots_[i].batch, form_);
        }
    }

    /// The life of a reader.
    void run() noexcept {
        std::unique_lock lock(mutex_);
        while (!stop_ && next_ < tickets_) {
            const std::uint64_t ticket = next_++;
            Slot& slot = slot_of(ticket);
            // Ended by a consumer or by stop(), which the loader's destructor calls.
            freed_.wait(lock, [&] { return stop_ || (slot.ticket == ticket && slot.state == State::free); });
            if (stop_) break;
            slot.state = State::filling;
            lock.unlock();
            std::exception_ptr error = fill(ticket, slot.batch);
            lock.lock();
            slot.error = std::move(error);
            slot.state = State::ready;
            ready_.notify_all();
        }
        --running_;
        left_.notify_all();
    }

    const Batch* acquire(std::uint64_t ticket, double timeout_seconds) {
        if (ticket >= tickets_) throw UsageError("batch ", ticket, " of ", tickets_, "; tickets count from 0");
        std::unique_lock lock(mutex_);
        Slot& slot = slot_of(ticket);
        const auto here = [&] { return slot.ticket == ticket && slot.state == State::ready; };
        const auto gone = [&] {
            return slot.ticket > ticket || (slot.ticket == ticket && slot.state == State::leased);
        };
        if (!here() && !gone()) {
            const auto start = Clock::now();
            ready_.wait_until(lock, start + bounded(timeout_seconds), [&] { return here() || gone(); });
            waited_ += Clock::now() - start;
        }
        if (gone()) throw UsageError("batch ", ticket, " has been taken already; take each batch once");
        if (!here()) {
            const bool reading = slot.ticket == ticket && slot.state == State::filling;
            const std::uint64_t holder = slot.ticket;
            lock.unlock();
            throw_late(ticket, timeout_seconds, reading, holder);
        }
        slot.state = State::leased;
        if (slot.error) {
            const std::exception_ptr error = std::exchange(slot.error, nullptr);
            lock.unlock();
            release(ticket);
            std::rethrow_exception(error);
        }
        return &slot.batch;
    }

    void release(std::uint64_t ticket) noexcept {
        const std::lock_guard lock(mutex_);
        Slot& slot = slot_of(ticket);
        slot.state = State::free;
        slot.ticket += slots_.size();
        freed_.notify_all();
        ready_.notify_all();  // somebody may wait for this very ticket: it is gone now
    }

    void started() {
        const std::lock_guard lock(mutex_);
        ++running_;
    }
    void not_started() noexcept {
        const std::lock_guard lock(mutex_);
        --running_;
    }

    /// True if all readers have left, or do so in time.
    bool stop(double grace_seconds) noexcept {
        std::unique_lock lock(mutex_);
        stop_ = true;
        freed_.notify_all();
        return left_.wait_for(lock, bounded(grace_seconds), [&] { return running_ == 0; });
    }

    double waited_seconds() const {
        const std::lock_guard lock(mutex_);
        return std::chrono::duration<double>(waited_).count();
    }

  private:
    enum class State : std::uint8_t { free, filling, ready, leased };

    struct Slot {
        Batch batch;
        std::uint64_t ticket = 0;  // whose turn it is
        State state = State::free;
        std::exception_ptr error;
    };

    Slot& slot_of(std::uint64_t ticket) { return slots_[static_cast<std::size_t>(ticket % slots_.size())]; }

    std::exception_ptr fill(std::uint64_t ticket, Batch& batch) const noexcept {
        try {
            fill_batch(set_, schedule_(ticket), batch, form_);
            return nullptr;
        } catch (...) {
            return std::current_exception();
        }
    }

    [[noreturn]] void throw_late(std::uint64_t ticket, double timeout_seconds, bool reading,
                                 std::uint64_t holder) const {
        const BatchRequest request = schedule_(ticket);
        const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(request.count, 1));
        const std::string what = text("batch ", ticket, " (positions ", request.first, " to ",
                                      request.first + (count - 1), ") was not ready after ", timeout_seconds, " s: ");
        if (holder < ticket)
            throw DataError(what, "batch ", holder,
                            " still holds its place; release batches in time or raise prefetch");
        throw DataError(what, reading ? "a reader is at it" : "no reader has come to it",
                        "; check the disk or raise data.threads");
    }

    std::atomic<bool> stop_{false};
    const StoppableDataset set_;
    const std::function<BatchRequest(std::uint64_t)> schedule_;
    const std::uint64_t tickets_;
    const PixelForm form_;

    mutable std::mutex mutex_;  // guards everything below, but not the batch of a slot being filled or leased
    std::condition_variable freed_, ready_, left_;
    std::vector<Slot> slots_;
    std::uint64_t next_ = 0;  // ticket that the next reader takes
    std::size_t running_ = 0;
    Clock::duration waited_{};
};

}  // namespace detail

BatchLease::BatchLease(std::shared_ptr<detail::PrefetchRing> ring, std::uint64_t ticket, const Batch* batch)
    : ring_(std::move(ring)), ticket_(ticket), batch_(batch) {}

BatchLease& BatchLease::operator=(BatchLease&& other) noexcept {
    BatchLease taken(std::move(other));  // on return it holds what this lease held, and releases it
    std::swap(ring_, taken.ring_);
    std::swap(ticket_, taken.ticket_);
    std::swap(batch_, taken.batch_);
    return *this;
}

BatchLease::~BatchLease() {
    if (ring_) ring_->release(ticket_);
}

/// The threads. They are joined, or left behind if one of them hangs.
class PrefetchLoader::Readers {
  public:
    Readers(std::shared_ptr<detail::PrefetchRing> ring, std::size_t count, double grace_seconds)
        : ring_(std::move(ring)), grace_seconds_(grace_seconds) {
        try {
            threads_.reserve(count);
            while (threads_.size() < count) start_one();
        } catch (...) {
            stop();
            throw;
        }
    }
    ~Readers() { stop(); }
    Readers(const Readers&) = delete;
    Readers& operator=(const Readers&) = delete;

  private:
    void start_one() {
        ring_->started();
        try {
            threads_.emplace_back([ring = ring_] { ring->run(); });
        } catch (...) {
            ring_->not_started();
            throw;
        }
    }

    void stop() noexcept {
        const bool all_left = ring_->stop(grace_seconds_);
        for (std::thread& thread : threads_) {
            if (all_left)
                thread.join();
            else
                thread.detach();
        }
    }

    std::shared_ptr<detail::PrefetchRing> ring_;
    double grace_seconds_;
    std::vector<std::thread> threads_;
};

PrefetchLoader::PrefetchLoader(DatasetPtr set, std::function<BatchRequest(std::uint64_t ticket)> schedule,
                               std::uint64_t tickets, PrefetchOptions options)
    : timeout_seconds_(options.timeout_seconds) {
    if (!schedule) throw UsageError("a loader without a schedule; pass a function from ticket to samples");
    if (options.threads < 1) throw ConfigError("data: threads ", options.threads, "; use at least 1");
    if (options.depth < 1) throw ConfigError("data: prefetch ", options.depth, "; keep at least 1 batch");
    const auto depth = static_cast<std::size_t>(options.depth);
    ring_ = std::make_shared<detail::PrefetchRing>(std::move(set), std::move(schedule), tickets, depth, options.bytes,
                                                   options.pinned);

    // A thread without a slot could never work.
    const std::uint64_t threads =
        std::min({static_cast<std::uint64_t>(options.threads), std::uint64_t{depth}, tickets});
    readers_ = std::make_unique<Readers>(ring_, static_cast<std::size_t>(threads), options.grace_seconds);
}

PrefetchLoader::~PrefetchLoader() = default;

BatchLease PrefetchLoader::acquire(std::uint64_t ticket) {
    return acquire(ticket, timeout_seconds_);
}

BatchLease PrefetchLoader::acquire(std::uint64_t ticket, double timeout_seconds) {
    return BatchLease(ring_, ticket, ring_->acquire(ticket, timeout_seconds));
}

double PrefetchLoader::waited_seconds() const {
    return ring_->waited_seconds();
}

}  // namespace firecaffe
