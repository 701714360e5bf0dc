// SPDX-License-Identifier: Apache-2.0
// DataPlane: all data connections of one rank. A thread in wait() drives the links itself, which saves a change of
// thread per message; while nobody waits, the background thread of the control plane drives them through drive().
// Who waits for a rank that shares its memory looks at the memory for a while, offering the core to other threads in
// between, and then sleeps like one who waits for a socket: for an event of any link.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "comm/transport/link.hpp"
#include "comm/transport/rate_limit.hpp"
#include "comm/transport/socket.hpp"
#include "comm/transport/watch.hpp"

namespace firecaffe::comm {

/// The first verdict that this rank got or made; it stays.
class VerdictCell {
  public:
    /// True if it is the first.
    bool set(Verdict verdict);
    bool is_set() const { return set_.load(std::memory_order_acquire); }
    Verdict get() const;

  private:
    mutable std::mutex mutex_;
    std::atomic<bool> set_{false};
    Verdict verdict_;
};

class DataPlane {
  public:
    struct Hooks {
        std::function<void(Rank, const LinkFault&)> broken;  ///< a connection cannot go on; called once per link
        std::function<void(const std::string&)> dropped;     ///< a transfer was destroyed before it was complete
        std::function<void()> busy;                          ///< transfers are under way and nobody may be driving
    };

    /// `links[r]`: the connection to rank r; null for this rank. `limit`: the rate that the links share, which outlives
    /// this; null for none.
    DataPlane(Rank self, std::vector<std::unique_ptr<Link>> links, RateLimit* limit, const VerdictCell& verdict,
              Hooks hooks);
    ~DataPlane();

    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes);
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes,
                                           bool may_borrow);
    /// Throws PeerLostError once there is a verdict.
    void wait(DataTransfer& transfer);
    /// As Transport::wait_any. Sleeps at once: who waits for several does not know when something comes.
    std::size_t wait_any(std::span<Transfer* const> transfers, Rank awaited);
    /// Throws what wait() would throw if there is a verdict.
    void check(const OperationTag& tag) const;
    void forget(DataTransfer& transfer) noexcept;

    /// For the background thread: readable when drive() has something to do.
    int poll_fd() const { return epoll_.get(); }
    bool has_work() const { return outstanding_.load() > 0; }
    enum class Driving {
        no,       ///< the caller of wait() drives, or nothing is under way: poll_fd() need not be watched
        waits,    ///< drive() when poll_fd() is readable
        at_once,  ///< drive() now: there is something to do of which no event tells
    };
    Driving prepare_to_drive();
    void drive();

    /// There is a verdict: ends a wait under way.
    void interrupt() noexcept;
    /// Ends a wait_any(), the present or the next one.
    void nudge() noexcept;
    void close() noexcept;

    void note_progress() noexcept { progress_.fetch_add(1, std::memory_order_relaxed); }
    Pulse pulse() const;
    std::uint64_t bytes_sent() const { return bytes_sent_.load(std::memory_order_relaxed); }

  private:
    std::unique_ptr<Transfer> post(std::unique_ptr<DataTransfer> transfer);
    Link& link_to(Rank rank) { return *links_[static_cast<std::size_t>(rank)]; }
    template <class Action>
    void for_each_link(Action action);
    template <class Action>
    void for_each_link_in_turn(Action action);
    void advance(Link& link, std::size_t budget);
    void advance_in_memory();
    void register_events();
    bool prepare_to_sleep();
    void watch_memory(const DataTransfer& transfer, std::unique_lock<std::mutex>& lock);
    void watch_sockets(const DataTransfer& transfer, Time since, std::unique_lock<std::mutex>& lock);
    void begin_waiting(Rank peer, const OperationTag& tag);
    void end_waiting();
    bool take_nudge();
    void take_events(std::span<const epoll_event> events);
    void handle_events(int timeout_milliseconds, std::unique_lock<std::mutex>& lock);
    [[noreturn]] void throw_verdict(const OperationTag& tag) const;

    const Rank self_;
    RateLimit* const limit_;
    const VerdictCell& verdict_;
    const Hooks hooks_;
    UniqueFd epoll_, interrupt_, nudge_;
    const std::shared_ptr<TransferMemory> memory_ = std::make_shared<TransferMemory>(sizeof(DataTransfer));

    std::mutex mutex_;  // links_, turn_, transfers, nudged_, closed_, and to write caller_drives_
    std::vector<std::unique_ptr<Link>> links_;
    std::size_t turn_ = 0;                    // the link whose events are registered first
    std::atomic<bool> caller_drives_{false};  // read without the mutex first, which the caller holds for long
    bool closed_ = false;
    bool nudged_ = false;  // and no wait_any() has ended for it yet
    bool waits_are_short_ = true;  // on sockets, as the last one was; of the thread that waits

    std::atomic<int> outstanding_{0};
    std::atomic<std::uint64_t> progress_{0}, bytes_sent_{0};
    mutable std::mutex waiting_mutex_;
    Rank waiting_for_ = -1;
    OperationTag waiting_in_;
};

}  // namespace firecaffe::comm
