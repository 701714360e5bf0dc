// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/control_plane.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr auto kLinger = std::chrono::milliseconds(300);
constexpr auto kWarm = std::chrono::milliseconds(100);  // after work, look often for this long before dozing off
constexpr auto kLook = std::chrono::milliseconds(5);

}  // namespace

ControlPlane::ControlPlane(Rank self, std::vector<PeerInfo> peers, std::vector<Channel> channels,
                           double deadline_seconds, double stall_seconds, DataPlane& data, VerdictCell& verdict)
    : self_(peers[static_cast<std::size_t>(self)]),
      deadline_seconds_(deadline_seconds),
      data_(data),
      verdict_(verdict),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      channels_(std::move(channels)),
      liveness_(self, std::move(peers), deadline_seconds, stall_seconds, Clock::now()),
      last_work_(Clock::now()) {
    if (!wake_) throw UnavailableError("cannot make an eventfd: ", error_text(errno), "; check ulimit -n");
}

ControlPlane::~ControlPlane() {
    stop();
}

void ControlPlane::start() {
    thread_ = std::thread([this] {
        try {
            run();
        } catch (const std::exception& error) {
            verdict_.set({self_.rank, text(self_, " failed in its transport: ", error.what())});
            data_.interrupt();
            const std::lock_guard lock(mutex_);
            changed_.notify_all();
        }
    });
}

void ControlPlane::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void ControlPlane::busy() {
    if (dozing_.exchange(false)) wake();
}

void ControlPlane::broken(Rank rank, const LinkFault& fault) {
    {
        const std::lock_guard lock(mutex_);
        broken_.push_back({rank, fault});
    }
    wake();
}

void ControlPlane::abort(const std::string& reason) {
    {
        const std::lock_guard lock(mutex_);
        if (verdict_.is_set() || gave_up_) return;
        gave_up_ = reason;
        // Here and now, so that this rank's waits fail whatever the network does.
        verdict_.set({self_.rank, text(self_, " gave up: ", reason)});
        changed_.notify_all();
    }
    data_.interrupt();
    wake();
}

void ControlPlane::close() {
    std::unique_lock lock(mutex_);
    goodbye_ = true;
    wake();
    changed_.wait_for(lock, seconds(deadline_seconds_), [&] { return all_goodbye_ || verdict_.is_set(); });
}

void ControlPlane::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake();
    if (thread_.joinable()) thread_.join();
}

template <class Action>
void ControlPlane::for_each_channel(Action action) {
    for (std::size_t rank = 0; rank < channels_.size(); ++rank)
        if (channels_[rank].fd() >= 0) action(static_cast<Rank>(rank), channels_[rank]);
}

void ControlPlane::run() {
    for (;;) {
        const Time now = Clock::now();
        hear(now);
        if (take_requests(now)) break;
        liveness_.turn(now, data_.pulse());
        deliver();
        sleep(now);
    }
    deliver();
    linger();
}

// True: stop.
bool ControlPlane::take_requests(Time now) {
    const std::lock_guard lock(mutex_);
    if (gave_up_) liveness_.give_up(*gave_up_);
    for (const Broken& entry : std::exchange(broken_, {})) liveness_.broken(entry.rank, entry.fault, now);
    if (goodbye_) liveness_.say_goodbye();
    return stop_;
}

void ControlPlane::hear(Time now) {
    for_each_channel([&](Rank rank, Channel& channel) {
        channel.flush();
        while (const auto message = channel.next())
            if (!liveness_.hear(rank, *message, now)) channel.close(Liveness::kUnreadable);
        if (channel.closed()) liveness_.closed(rank, channel.why_closed());
    });
}

// First tells the others, then fails here: this process may be gone a moment later.
void ControlPlane::deliver() {
    for (const Liveness::Letter& letter : liveness_.take_letters())
        channels_[static_cast<std::size_t>(letter.to)].send(letter.message);
    if (liveness_.last_letter_written()) for_each_channel([](Rank, Channel& channel) { channel.finish(); });
    if (liveness_.verdict() && verdict_.set(*liveness_.verdict())) data_.interrupt();
    const std::lock_guard lock(mutex_);
    if (all_goodbye_ == liveness_.all_said_goodbye() && !verdict_.is_set()) return;
    all_goodbye_ = liveness_.all_said_goodbye();
    changed_.notify_all();
}

void ControlPlane::sleep(Time now) {
    std::vector<pollfd> entries{{wake_.get(), POLLIN, 0}};
    for_each_channel([&](Rank, Channel& channel) { entries.push_back({channel.fd(), channel.events(), 0}); });
    const auto driving = data_.prepare_to_drive();
    const bool drives = driving != DataPlane::Driving::no;
    if (drives) entries.push_back({data_.poll_fd(), POLLIN, 0});
    const bool verdict = verdict_.is_set();
    // While the caller waits it drives, and nobody tells this thread when it stops to: hence a look now and then.
    if (data_.has_work() && !verdict) last_work_ = now;
    Time until = verdict ? now + kWarm : std::min(liveness_.next_beat(), now + kWarm);
    if (now - last_work_ < kWarm && !verdict) {
        until = std::min(until, now + kLook);
    } else {
        dozing_ = true;
        if (data_.has_work()) until = std::min(until, now + kLook);  // posted before it saw us dozing
    }
    if (driving == DataPlane::Driving::at_once) until = now;
    ::poll(entries.data(), entries.size(), milliseconds_until(until, Clock::now()));
    dozing_ = false;
    if ((entries[0].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof count);
    }
    if (drives) data_.drive();
}

void ControlPlane::linger() {
    // A socket that is closed with unread bytes in it sends a reset, which could overtake our last words.
    const Time end = Clock::now() + kLinger;
    for_each_channel([](Rank, Channel& channel) { channel.finish(); });
    for (Time now = Clock::now(); now < end; now = Clock::now()) {
        std::vector<pollfd> entries;
        for_each_channel([&](Rank, Channel& channel) {
            channel.flush();
            while (channel.next()) {
            }
            if (!channel.closed()) entries.push_back({channel.fd(), channel.events(), 0});
        });
        if (entries.empty()) return;
        ::poll(entries.data(), entries.size(), milliseconds_until(end, now));
    }
}

}  // namespace firecaffe::comm
