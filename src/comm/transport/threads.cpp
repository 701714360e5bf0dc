// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/transport/threads.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>

#include "comm/transport/transfer_memory.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

using Clock = std::chrono::steady_clock;

// One end of a transfer. Linked into the queue of its channel until it is matched.
struct Operation {
    enum class State { queued, copying, done, cancelled };
    State state = State::queued;
    bool sends = false;
    Rank from = 0, to = 0;
    OperationTag tag;
    const std::byte* source = nullptr;
    std::byte* target = nullptr;
    std::size_t bytes = 0;
    Operation* next = nullptr;

    Rank self() const { return sends ? from : to; }
    Rank peer() const { return sends ? to : from; }
    std::string what() const {
        return text(tag, ", ", bytes, " of ", tag.count * size_of(tag.dtype), " bytes of ", tag.dtype);
    }
};

// Operations of one direction between two ranks that have not met their other end: all sends, or all receives.
struct Queue {
    Operation* first = nullptr;
    Operation* last = nullptr;

    void push(Operation& operation) {
        operation.next = nullptr;
        (first == nullptr ? first : last->next) = &operation;
        last = &operation;
    }
    Operation& pop() {
        Operation& operation = *first;
        first = operation.next;
        return operation;
    }
    void remove(Operation& operation) {
        Operation* previous = nullptr;
        for (Operation* at = first; at != nullptr; previous = at, at = at->next) {
            if (at != &operation) continue;
            (previous == nullptr ? first : previous->next) = at->next;
            if (last == at) last = previous;
            return;
        }
    }
};

// What the ranks share. One mutex guards all of it; bytes are copied outside of it.
class Group {
  public:
    Group(int ranks, double deadline_seconds)
        : size_(ranks),
          deadline_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(deadline_seconds))),
          members_(static_cast<std::size_t>(ranks)),
          queues_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {
        for (Member& member : members_) member.sign = Clock::now().time_since_epoch().count();
    }

    int size() const { return size_; }
    PeerInfo info(Rank rank) const { return {.rank = rank, .pid = pid_}; }
    void show_sign(Rank rank) noexcept { member(rank).sign = Clock::now().time_since_epoch().count(); }

    void post(Operation& operation) {
        show_sign(operation.self());
        std::unique_lock lock(mutex_);
        if (!failure_.empty()) return;  // the wait will say so
        Queue& queue = queues_[static_cast<std::size_t>(operation.from * size_ + operation.to)];
        if (queue.first == nullptr || queue.first->sends == operation.sends) return queue.push(operation);

        const Operation& other = *queue.first;
        if (operation.tag != other.tag || operation.bytes != other.bytes) {
            const Operation& send = operation.sends ? operation : other;
            const Operation& receive = operation.sends ? other : operation;
            return fail(text(info(send.from), " sends ", send.what(), ", but ", info(receive.to), " expects ",
                             receive.what(), "; all ranks must submit the same buckets in the same order"));
        }
        copy(operation, queue.pop(), lock);
    }

    void wait(Operation& operation) {
        const Rank self = operation.self();
        std::unique_lock lock(mutex_);
        const auto since = Clock::now();
        member(self).waits_for = operation.peer();
        while (operation.state != Operation::State::done || aborted_) {
            if (operation.state == Operation::State::copying) {
                member(self).wake.wait(lock);  // as long as a memcpy takes
                continue;
            }
            if (failure_.empty() && member(operation.peer()).closed) {
                fail(text(info(operation.peer()), " has closed its transport"));
            }
            if (failure_.empty()) {
                const Rank suspect = end_of_chain(operation.peer());
                const auto deadline = std::max(since, last_sign(suspect)) + deadline_;
                if (Clock::now() < deadline) {
                    member(self).wake.wait_until(lock, deadline);
                    continue;
                }
                blame(suspect);
            }
            member(self).waits_for = -1;
            cancel(operation);
            throw PeerLostError(failure_, "; noticed by rank ", self, " in ", operation.what(),
                                operation.sends ? " to rank " : " from rank ", operation.peer());
        }
        member(self).waits_for = -1;
        show_sign(self);
    }

    // The place of the first that is done; operations.size() if this rank was interrupted.
    template <class At>
    std::size_t wait_any(Rank self, std::size_t count, At at, Rank awaited) {
        std::unique_lock lock(mutex_);
        const auto since = Clock::now();
        Member& me = member(self);
        me.waits_for = awaited;
        const auto done = [&](const Operation& o) { return o.state == Operation::State::done && !aborted_; };
        while (true) {
            std::size_t found = 0;
            while (found < count && !done(at(found))) ++found;
            if (found < count || std::exchange(me.interrupted, false)) {
                me.waits_for = -1;
                show_sign(self);
                return found;
            }
            for (std::size_t i = 0; i < count && failure_.empty(); ++i)
                if (member(at(i).peer()).closed) fail(text(info(at(i).peer()), " has closed its transport"));
            if (failure_.empty() && awaited >= 0) {
                const Rank suspect = end_of_chain(awaited);
                const auto deadline = std::max(since, last_sign(suspect)) + deadline_;
                if (Clock::now() < deadline)
                    me.wake.wait_until(lock, deadline);
                else
                    blame(suspect);
            } else if (failure_.empty()) {
                me.wake.wait_for(lock, deadline_);
            }
            if (failure_.empty()) continue;
            me.waits_for = -1;
            for (std::size_t i = 0; i < count; ++i) cancel(at(i));
            throw PeerLostError(failure_, "; noticed by rank ", self, ", which waits for ", count, " transfers");
        }
    }

    void interrupt(Rank rank) noexcept {
        const std::scoped_lock lock(mutex_);
        member(rank).interrupted = true;
        member(rank).wake.notify_all();
    }

    // The buffer is free after this, and nobody holds a pointer to the operation.
    void retire(Operation& operation) noexcept {
        std::unique_lock lock(mutex_);
        member(operation.self()).wake.wait(lock, [&] { return operation.state != Operation::State::copying; });
        cancel(operation);
    }

    void check(Rank rank, const OperationTag& tag) {
        const std::scoped_lock lock(mutex_);
        if (!failure_.empty()) throw PeerLostError(failure_, "; noticed by rank ", rank, " in ", tag);
    }

    void abort(Rank rank, const std::string& reason) {
        const std::scoped_lock lock(mutex_);
        aborted_ = true;
        fail(text(info(rank), " gave up: ", reason));
    }

    void close(Rank rank) {
        std::unique_lock lock(mutex_);
        member(rank).closed = true;
        for (Member& one : members_) one.wake.notify_all();
        member(rank).wake.wait_until(lock, Clock::now() + deadline_, [&] {
            return !failure_.empty() || std::ranges::all_of(members_, [](const Member& one) { return one.closed; });
        });
    }

    void leave(Rank rank) {
        const std::scoped_lock lock(mutex_);
        if (member(rank).closed) return;
        member(rank).closed = true;
        fail(text(info(rank), " is lost: its transport went away without close(); its own error says why"));
    }

  private:
    struct Member {
        std::condition_variable wake;
        std::atomic<Clock::rep> sign{0};  // when it last showed that it is alive
        Rank waits_for = -1;
        bool closed = false;
        bool interrupted = false;
    };

    Member& member(Rank rank) { return members_[static_cast<std::size_t>(rank)]; }
    Clock::time_point last_sign(Rank rank) { return Clock::time_point(Clock::duration(member(rank).sign)); }

    void fail(const std::string& reason) {
        if (!failure_.empty()) return;
        failure_ = reason;
        for (Member& one : members_) one.wake.notify_all();
    }

    void copy(Operation& mine, Operation& other, std::unique_lock<std::mutex>& lock) {
        mine.state = other.state = Operation::State::copying;
        const Rank peer = other.self();
        lock.unlock();
        const Operation& send = mine.sends ? mine : other;
        const Operation& receive = mine.sends ? other : mine;
        if (send.bytes != 0) std::memcpy(receive.target, send.source, send.bytes);
        lock.lock();
        mine.state = other.state = Operation::State::done;
        member(peer).wake.notify_all();
    }

    void cancel(Operation& operation) {
        if (operation.state != Operation::State::queued) return;
        queues_[static_cast<std::size_t>(operation.from * size_ + operation.to)].remove(operation);
        operation.state = Operation::State::cancelled;
    }

    // The rank that, directly or through others, keeps `rank` waiting; stops where the ranks wait in a circle.
    Rank end_of_chain(Rank rank) {
        for (int hops = 0; hops < size_ && member(rank).waits_for >= 0; ++hops) rank = member(rank).waits_for;
        return rank;
    }

    void blame(Rank suspect) {
        const double seconds = std::chrono::duration<double>(deadline_).count();
        if (const Rank other = member(suspect).waits_for; other >= 0) {
            return fail(text("the ranks wait for each other for ", seconds, " s: ", info(suspect), " waits for ",
                             info(other), "; all ranks must submit the same buckets in the same order"));
        }
        fail(text(info(suspect), " is lost: no sign of it for ", seconds,
                  " s; if it was only slow, raise deadline_seconds or call note_progress()"));
    }

    const int size_;
    const Clock::duration deadline_;
    const std::int64_t pid_ = ::getpid();
    std::mutex mutex_;
    std::vector<Member> members_;
    std::vector<Queue> queues_;  // [from * size + to]
    std::string failure_;        // why the group ended; empty while it lives
    bool aborted_ = false;
};

class ThreadTransfer final : public PooledTransfer {
  public:
    explicit ThreadTransfer(std::shared_ptr<Group> group) : group_(std::move(group)) {}
    ThreadTransfer(const ThreadTransfer&) = delete;
    ThreadTransfer& operator=(const ThreadTransfer&) = delete;
    ~ThreadTransfer() override { group_->retire(operation); }

    Operation operation;

  private:
    std::shared_ptr<Group> group_;
};

class ThreadTransport final : public Transport {
  public:
    ThreadTransport(std::shared_ptr<Group> group, Rank rank) : group_(std::move(group)), rank_(rank) {}
    ThreadTransport(const ThreadTransport&) = delete;
    ThreadTransport& operator=(const ThreadTransport&) = delete;
    ~ThreadTransport() override {
        try {
            group_->leave(rank_);
        } catch (...) {  // no memory for the message; the others run into their deadline
        }
    }

    Rank rank() const override { return rank_; }
    int size() const override { return group_->size(); }
    PeerInfo peer(Rank rank) const override {
        if (rank < 0 || rank >= size()) throw UsageError("rank ", rank, " is not one of ", size(), " ranks");
        return group_->info(rank);
    }

    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) override {
        auto transfer = prepare(to, tag, bytes.size());
        transfer->operation.sends = true;
        transfer->operation.from = rank_;
        transfer->operation.to = to;
        transfer->operation.source = bytes.data();
        group_->post(transfer->operation);
        bytes_sent_ += bytes.size();
        return transfer;
    }

    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes) override {
        auto transfer = prepare(from, tag, bytes.size());
        transfer->operation.from = from;
        transfer->operation.to = rank_;
        transfer->operation.target = bytes.data();
        group_->post(transfer->operation);
        return transfer;
    }

    void wait(Transfer& transfer) override { group_->wait(static_cast<ThreadTransfer&>(transfer).operation); }

    std::size_t wait_any(std::span<Transfer* const> transfers, Rank awaited) override {
        const auto at = [&](std::size_t i) -> Operation& {
            return static_cast<ThreadTransfer&>(*transfers[i]).operation;
        };
        return group_->wait_any(rank_, transfers.size(), at, awaited);
    }
    void interrupt() noexcept override { group_->interrupt(rank_); }

    void check(const OperationTag& tag) override { group_->check(rank_, tag); }

    void abort(const std::string& reason) noexcept override {
        try {
            group_->abort(rank_, reason);
        } catch (...) {  // as in the destructor
        }
    }
    void note_progress() noexcept override { group_->show_sign(rank_); }
    void close() noexcept override { group_->close(rank_); }
    std::uint64_t bytes_sent() const override { return bytes_sent_; }

  private:
    std::unique_ptr<ThreadTransfer> prepare(Rank other, const OperationTag& tag, std::size_t bytes) const {
        if (other == rank_ || other < 0 || other >= size()) {
            throw UsageError("rank ", rank_, " cannot exchange with rank ", other, " in a group of ", size(),
                             "; name another rank of the group");
        }
        std::unique_ptr<ThreadTransfer> transfer(new (*memory_) ThreadTransfer(group_));
        transfer->operation.tag = tag;
        transfer->operation.bytes = bytes;
        return transfer;
    }

    std::shared_ptr<Group> group_;
    const std::shared_ptr<TransferMemory> memory_ = std::make_shared<TransferMemory>(sizeof(ThreadTransfer));
    Rank rank_;
    std::atomic<std::uint64_t> bytes_sent_{0};
};

}  // namespace

std::vector<std::shared_ptr<Transport>> make_thread_transports(int ranks, ThreadTransportOptions options) {
    if (ranks < 1) throw UsageError("make_thread_transports: ", ranks, " ranks; give at least 1");
    if (!(options.deadline_seconds > 0 && options.deadline_seconds < 1e9)) {
        throw UsageError("make_thread_transports: deadline_seconds is ", options.deadline_seconds,
                         "; give a positive number of seconds below 1e9");
    }
    const auto group = std::make_shared<Group>(ranks, options.deadline_seconds);
    std::vector<std::shared_ptr<Transport>> transports;
    for (Rank rank = 0; rank < ranks; ++rank) transports.push_back(std::make_shared<ThreadTransport>(group, rank));
    return transports;
}

}  // namespace firecaffe::comm
