// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/data_plane.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::size_t kPostBudget = 256u << 10;  // what a post may write at once
constexpr std::size_t kDriveBudget = 1u << 20;   // per link and turn, so that no link starves the others
constexpr int kLongestSleepMilliseconds = 100;
constexpr int kGlances = 64;                             // at shared memory, before other threads are offered the core
constexpr auto kAwake = std::chrono::milliseconds(1);    // and how long that goes on before this one sleeps
constexpr auto kShort = std::chrono::microseconds(250);  // a wait on a socket, in which it pays to stay awake

}  // namespace

bool VerdictCell::set(Verdict verdict) {
    const std::lock_guard lock(mutex_);
    if (set_.load(std::memory_order_relaxed)) return false;
    verdict_ = std::move(verdict);
    set_.store(true, std::memory_order_release);
    return true;
}

Verdict VerdictCell::get() const {
    const std::lock_guard lock(mutex_);
    return verdict_;
}

DataTransfer::~DataTransfer() {
    plane.forget(*this);
}

DataPlane::DataPlane(Rank self, std::vector<std::unique_ptr<Link>> links, RateLimit* limit, const VerdictCell& verdict,
                     Hooks hooks)
    : self_(self),
      limit_(limit),
      verdict_(verdict),
      hooks_(std::move(hooks)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      interrupt_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      nudge_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      links_(std::move(links)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    const bool made = epoll_ && interrupt_ && nudge_ &&
                      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, interrupt_.get(), &event) == 0 &&
                      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, nudge_.get(), &event) == 0 &&
                      (limit == nullptr || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, limit->fd(), &event) == 0);
    if (!made)
        throw UnavailableError("cannot make the descriptors of the transport: ", error_text(errno),
                               "; check ulimit -n");
}

DataPlane::~DataPlane() = default;

template <class Action>
void DataPlane::for_each_link(Action action) {
    for (const auto& link : links_)
        if (link != nullptr) action(*link);
}

// From behind the one that has moved last, so that all have their turn where a limit lets few move at once.
template <class Action>
void DataPlane::for_each_link_in_turn(Action action) {
    for (std::size_t i = 0; i < links_.size(); ++i)
        if (const auto& link = links_[(turn_ + i) % links_.size()]) action(*link);
}

std::unique_ptr<Transfer> DataPlane::post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) {
    return post(std::unique_ptr<DataTransfer>(new (*memory_) DataTransfer(*this, to, tag, bytes)));
}

std::unique_ptr<Transfer> DataPlane::post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes,
                                                  bool may_borrow) {
    return post(std::unique_ptr<DataTransfer>(new (*memory_) DataTransfer(*this, from, tag, bytes, may_borrow)));
}

std::unique_ptr<Transfer> DataPlane::post(std::unique_ptr<DataTransfer> transfer) {
    DataTransfer& t = *transfer;
    if (t.peer < 0 || t.peer >= static_cast<Rank>(links_.size()) || t.peer == self_) {
        t.done = true;  // nothing to forget
        throw UsageError("rank ", self_, " of ", links_.size(), " cannot exchange bytes with rank ", t.peer);
    }
    bool tell = false;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) {
            t.done = true;
            throw UsageError("the transport of rank ", self_, " is closed; post before close()");
        }
        Link& link = link_to(t.peer);
        link.push(t);
        outstanding_.fetch_add(1);
        if (t.sends && !verdict_.is_set()) advance(link, kPostBudget);
        tell = !t.done;
    }
    if (tell) hooks_.busy();
    return transfer;
}

void DataPlane::advance(Link& link, std::size_t budget) {
    Traffic moved;
    const int before = link.queued();
    const auto fault = link.advance(budget, moved);
    if (before != link.queued()) outstanding_.fetch_sub(before - link.queued());
    if (moved.in + moved.out > 0) {
        note_progress();
        turn_ = static_cast<std::size_t>(link.peer()) + 1;
    }
    if (moved.out > 0) bytes_sent_.fetch_add(moved.out, std::memory_order_relaxed);
    if (fault) {
        link.break_off();
        hooks_.broken(link.peer(), *fault);
    }
}

// What peers have put into shared memory, or taken from it, and what else needs no event.
void DataPlane::advance_in_memory() {
    for_each_link([this](Link& link) {
        if ((link.in_memory() || link.holds_input()) && link.queued() > 0) advance(link, kDriveBudget);
    });
}

void DataPlane::register_events() {
    for_each_link_in_turn([this](Link& link) {
        const std::uint32_t wanted = link.wanted_events();
        if (wanted == link.registered_events) return;
        epoll_event event{};
        event.events = wanted;
        event.data.ptr = &link;
        // An idle link is taken out altogether: epoll would report its end again and again.
        const int action = wanted == 0 ? EPOLL_CTL_DEL : link.registered_events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (::epoll_ctl(epoll_.get(), action, link.fd(), &event) != 0) {
            const int number = errno;
            link.break_off();
            hooks_.broken(link.peer(), {"epoll_ctl: " + error_text(number), true});
            return;
        }
        link.registered_events = wanted;
    });
}

// False if there is something to do already.
bool DataPlane::prepare_to_sleep() {
    register_events();
    bool nothing = true;
    for_each_link([&](Link& link) { nothing = link.prepare_to_sleep() && nothing; });
    return nothing;
}

void DataPlane::take_events(std::span<const epoll_event> events) {
    for (const epoll_event& event : events) {
        auto* link = static_cast<Link*>(event.data.ptr);
        if (link == nullptr) {
            nudged_ = take_nudge() || nudged_;
            if (limit_ != nullptr) limit_->look();  // the links that it lets move are found when events are registered
            continue;
        }
        link->notice();
        advance(*link, kDriveBudget);
    }
    for_each_link([](Link& link) { link.wake_up(); });
    advance_in_memory();
}

void DataPlane::handle_events(int timeout_milliseconds, std::unique_lock<std::mutex>& lock) {
    if (!prepare_to_sleep()) timeout_milliseconds = 0;
    std::array<epoll_event, 32> events;
    lock.unlock();
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_milliseconds);
    lock.lock();
    if (verdict_.is_set() || closed_) return;
    take_events(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))));
}

// To sleep and be woken up takes longer than a short message does.
void DataPlane::watch_memory(const DataTransfer& transfer, std::unique_lock<std::mutex>& lock) {
    const Time until = Clock::now() + kAwake;
    for (int glance = 0; !transfer.done && !verdict_.is_set(); ++glance) {
        advance_in_memory();
        if (glance < kGlances || transfer.done) continue;
        if (Clock::now() >= until) return;
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
    }
}

// Here a look is a system call. So only if the last wait was short, as they are where messages are; where bytes take
// their time on the network, who looks all the time keeps others from working.
void DataPlane::watch_sockets(const DataTransfer& transfer, Time since, std::unique_lock<std::mutex>& lock) {
    if (!waits_are_short_) return;
    while (!transfer.done && !verdict_.is_set() && Clock::now() - since < kShort) {
        handle_events(0, lock);
        if (transfer.done) return;
        lock.unlock();
        std::this_thread::yield();
        lock.lock();
    }
}

void DataPlane::wait(DataTransfer& transfer) {
    // Nobody touches a buffer once there is a verdict: everything that moves bytes holds the mutex and looks first.
    std::unique_lock lock(mutex_);
    if (verdict_.is_set()) throw_verdict(transfer.tag);
    if (transfer.done) return;
    begin_waiting(transfer.peer, transfer.tag);
    Link& link = link_to(transfer.peer);
    advance(link, kDriveBudget);
    if (link.in_memory()) {
        while (!transfer.done && !verdict_.is_set()) {
            watch_memory(transfer, lock);
            if (!transfer.done && !verdict_.is_set()) handle_events(kLongestSleepMilliseconds, lock);
        }
    } else {
        const Time since = Clock::now();
        watch_sockets(transfer, since, lock);
        while (!transfer.done && !verdict_.is_set()) handle_events(kLongestSleepMilliseconds, lock);
        waits_are_short_ = Clock::now() - since < kShort;
    }
    end_waiting();
    if (verdict_.is_set()) throw_verdict(transfer.tag);
    note_progress();
}

std::size_t DataPlane::wait_any(std::span<Transfer* const> transfers, Rank awaited) {
    const auto ours = [&](std::size_t place) -> DataTransfer& { return static_cast<DataTransfer&>(*transfers[place]); };
    const OperationTag tag = transfers.empty() ? OperationTag{} : ours(0).tag;
    std::unique_lock lock(mutex_);
    begin_waiting(awaited, tag);
    std::size_t found = transfers.size();
    bool nudged = false;
    while (!verdict_.is_set()) {
        for (found = 0; found < transfers.size() && !ours(found).done;) ++found;
        nudged = found == transfers.size() && std::exchange(nudged_, false);
        if (found < transfers.size() || nudged) break;
        handle_events(kLongestSleepMilliseconds, lock);
    }
    end_waiting();
    if (verdict_.is_set()) throw_verdict(tag);
    if (!nudged) note_progress();
    return found;
}

// From here to end_waiting() the caller drives the links.
void DataPlane::begin_waiting(Rank peer, const OperationTag& tag) {
    caller_drives_ = true;
    const std::lock_guard waiting(waiting_mutex_);
    waiting_for_ = peer;
    waiting_in_ = tag;
}

void DataPlane::end_waiting() {
    caller_drives_ = false;
    const std::lock_guard waiting(waiting_mutex_);
    waiting_for_ = -1;
}

bool DataPlane::take_nudge() {
    std::uint64_t times = 0;
    return ::read(nudge_.get(), &times, sizeof times) == sizeof times;
}

void DataPlane::check(const OperationTag& tag) const {
    if (verdict_.is_set()) throw_verdict(tag);
}

void DataPlane::throw_verdict(const OperationTag& tag) const {
    const Verdict verdict = verdict_.get();
    throw PeerLostError(verdict.cause, ", while waiting in ", tag, "; survivors stop. Start again.");
}

void DataPlane::forget(DataTransfer& transfer) noexcept {
    bool dropped = false;
    {
        const std::lock_guard lock(mutex_);
        if (transfer.loan != nullptr) link_to(transfer.peer).give_back(transfer);
        if (!transfer.done) {
            Link& link = link_to(transfer.peer);
            link.remove(transfer);
            link.break_off();  // half a frame may be out
            outstanding_.fetch_sub(1);
            dropped = !verdict_.is_set() && !closed_;
        }
    }
    if (dropped) hooks_.dropped("a transfer was given up before it was complete");
}

DataPlane::Driving DataPlane::prepare_to_drive() {
    if (!has_work() || caller_drives_) return Driving::no;
    const std::lock_guard lock(mutex_);
    if (caller_drives_ || closed_ || verdict_.is_set()) return Driving::no;
    return prepare_to_sleep() ? Driving::waits : Driving::at_once;
}

void DataPlane::drive() {
    if (caller_drives_) return;
    const std::lock_guard lock(mutex_);
    if (caller_drives_ || closed_ || verdict_.is_set()) return;
    // As handle_events(0), but without giving up the lock: the caller may not start to wait in between, because it
    // would sleep through what is moved here.
    std::array<epoll_event, 32> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    take_events(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))));
    register_events();
}

void DataPlane::interrupt() noexcept {
    const std::uint64_t one = 1;
    // Never read back: every later wait returns at once, which is what a verdict means.
    [[maybe_unused]] const ssize_t n = ::write(interrupt_.get(), &one, sizeof one);
}

void DataPlane::nudge() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(nudge_.get(), &one, sizeof one);
}

void DataPlane::close() noexcept {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for_each_link([](Link& link) {
        link.break_off();
        link.close();
    });
}

Pulse DataPlane::pulse() const {
    Pulse pulse;
    pulse.progress = progress_.load(std::memory_order_relaxed);
    const std::lock_guard waiting(waiting_mutex_);
    pulse.waiting_for = waiting_for_;
    pulse.tag = waiting_in_;
    return pulse;
}

}  // namespace firecaffe::comm
