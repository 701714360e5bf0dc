// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/control_plane.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr auto kLinger = std::chrono::milliseconds(300);
constexpr auto kWarm = std::chrono::milliseconds(100);  // after work, look often for this long before dozing off
constexpr auto kLook = std::chrono::milliseconds(5);
constexpr double kLongestBeat = 0.5;

Watch::Limits limits_of(Rank self, double deadline_seconds, double stall_seconds) {
    const double silence = deadline_seconds / 2;
    // Rank 0 waits shortly for a better explanation of a broken connection. The others wait for rank 0's, and only if
    // it has none although it is alive do they speak themselves.
    return {seconds(silence), seconds(stall_seconds), seconds(self == 0 ? 0.3 : silence + 0.5)};
}

WireWriter body_of(const Verdict& verdict) {
    WireWriter body;
    body.put(static_cast<std::int32_t>(verdict.culprit)).put_text(verdict.cause);
    return body;
}

}  // namespace

ControlPlane::ControlPlane(Rank self, std::vector<PeerInfo> peers, std::vector<Channel> channels,
                           double deadline_seconds, double stall_seconds, DataPlane& data, VerdictCell& verdict)
    : self_(self),
      peers_(std::move(peers)),
      deadline_seconds_(deadline_seconds),
      data_(data),
      verdict_(verdict),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      channels_(std::move(channels)),
      watch_(peers_, self, limits_of(self, deadline_seconds, stall_seconds), Clock::now()),
      beat_interval_(seconds(std::min(kLongestBeat, deadline_seconds / 12))),
      next_beat_(Clock::now()),
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
            verdict_.set(
                {self_, text(peers_[static_cast<std::size_t>(self_)], " failed in its transport: ", error.what())});
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
        verdict_.set({self_, text(peers_[static_cast<std::size_t>(self_)], " gave up: ", reason)});
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
        // Arrived messages come before any judgement: a rank that was stopped must first hear what happened meanwhile.
        const Time now = Clock::now();
        hear(now);
        take_requests(now);
        {
            const std::lock_guard lock(mutex_);
            if (stop_) break;
        }
        if (verdict_.is_set()) {
            announce(verdict_.get(), true);
        } else {
            beat(now);
            if (const auto verdict = watch_.judge(now)) conclude(*verdict, true);
        }
        sleep(now);
    }
    linger();
}

void ControlPlane::take_requests(Time now) {
    std::vector<Broken> broken;
    bool goodbye = false;
    {
        const std::lock_guard lock(mutex_);
        broken.swap(broken_);
        goodbye = goodbye_;
    }
    for (const Broken& entry : broken) {
        watch_.report(self_, entry.rank, entry.fault.why, self_ == 0 && entry.fault.certain, now);
        if (self_ == 0) continue;
        WireWriter body;
        body.put(static_cast<std::int32_t>(entry.rank)).put(static_cast<std::uint8_t>(entry.fault.certain));
        body.put_text(entry.fault.why);
        channels_[0].send(MessageType::blame, body);
    }
    if (goodbye && !goodbye_sent_) {
        goodbye_sent_ = true;
        watch_.goodbye(self_);
        for_each_channel([](Rank, Channel& channel) { channel.send(MessageType::goodbye); });
    }
    if (self_ == 0 && goodbye_sent_ && watch_.all_said_goodbye()) {
        const std::lock_guard lock(mutex_);
        if (all_goodbye_) return;
        all_goodbye_ = true;
        for_each_channel([](Rank, Channel& channel) { channel.send(MessageType::goodbye_all); });
        changed_.notify_all();
    }
}

void ControlPlane::hear(Time now) {
    for_each_channel([&](Rank rank, Channel& channel) {
        channel.flush();
        while (const auto message = channel.next()) handle(rank, *message, now);
        if (channel.closed()) watch_.closed(rank, channel.why_closed());
    });
}

void ControlPlane::handle(Rank from, const Message& message, Time now) {
    watch_.heard(from, now);
    WireReader body(message.body);
    const auto rank_in_range = [&](std::int32_t rank) { return rank >= 0 && rank < static_cast<Rank>(peers_.size()); };
    bool good = true;
    switch (message.type) {
        case MessageType::pulse: {
            Pulse pulse;
            pulse.progress = body.get<std::uint64_t>();
            pulse.waiting_for = body.get<std::int32_t>();
            pulse.tag.sequence = body.get<std::uint64_t>();
            pulse.tag.bucket = body.get<std::uint32_t>();
            pulse.tag.step = body.get<std::uint32_t>();
            good = body.complete() && (pulse.waiting_for == -1 || rank_in_range(pulse.waiting_for));
            if (good) watch_.pulse(from, pulse, now);
            break;
        }
        case MessageType::verdict: {
            const auto culprit = body.get<std::int32_t>();
            const std::string cause = body.get_text();
            good = body.complete() && rank_in_range(culprit);
            // Rank 0 passes on what another rank found; the others only accept.
            if (good && !verdict_.is_set()) conclude({culprit, cause}, self_ == 0);
            break;
        }
        case MessageType::gave_up: {
            const std::string reason = body.get_text();
            good = body.complete();
            if (good) watch_.gave_up(from, reason);
            break;
        }
        case MessageType::blame: {
            const auto suspect = body.get<std::int32_t>();
            const bool certain = body.get<std::uint8_t>() != 0;
            const std::string why = body.get_text();
            good = body.complete() && rank_in_range(suspect);
            if (good) watch_.report(from, suspect, why, certain, now);
            break;
        }
        case MessageType::goodbye:
            watch_.goodbye(from);
            break;
        case MessageType::goodbye_all: {
            const std::lock_guard lock(mutex_);
            all_goodbye_ = true;
            changed_.notify_all();
            break;
        }
        default:
            good = false;
    }
    if (!good) channels_[static_cast<std::size_t>(from)].close("it sent a message that cannot be read");
}

void ControlPlane::beat(Time now) {
    if (now < next_beat_) return;
    next_beat_ = now + beat_interval_;
    const Pulse pulse = data_.pulse();
    watch_.pulse(self_, pulse, now);
    WireWriter body;
    body.put(pulse.progress).put(static_cast<std::int32_t>(pulse.waiting_for)).put(pulse.tag.sequence);
    body.put(pulse.tag.bucket).put(pulse.tag.step);
    for_each_channel([&](Rank, Channel& channel) { channel.send(MessageType::pulse, body); });
}

void ControlPlane::conclude(const Verdict& verdict, bool tell) {
    // First tell, then fail here: this process may be gone a moment later.
    announce(verdict, tell);
    Verdict ours = verdict;
    if (verdict.culprit == self_)
        ours.cause = text("this process, ", peers_[static_cast<std::size_t>(self_)], ", was shut out: ", verdict.cause);
    verdict_.set(std::move(ours));
    data_.interrupt();
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
}

void ControlPlane::announce(const Verdict& verdict, bool tell) {
    if (announced_) return;
    announced_ = true;
    std::optional<std::string> gave_up;
    {
        const std::lock_guard lock(mutex_);
        gave_up = gave_up_;
    }
    for_each_channel([&](Rank, Channel& channel) {
        if (tell && gave_up && self_ != 0)
            channel.send(MessageType::gave_up, WireWriter().put_text(*gave_up));
        else if (tell)
            channel.send(MessageType::verdict, body_of(verdict));
        channel.finish();
    });
}

void ControlPlane::sleep(Time now) {
    std::vector<pollfd> entries{{wake_.get(), POLLIN, 0}};
    for_each_channel([&](Rank, Channel& channel) { entries.push_back({channel.fd(), channel.events(), 0}); });
    const bool drives = data_.prepare_to_drive();
    if (drives) entries.push_back({data_.poll_fd(), POLLIN, 0});
    const bool verdict = verdict_.is_set();
    // While the caller waits it drives, and nobody tells this thread when it stops to: hence a look now and then.
    if (data_.has_work() && !verdict) last_work_ = now;
    Time until = verdict ? now + kWarm : std::min(next_beat_, now + kWarm);
    if (now - last_work_ < kWarm && !verdict) {
        until = std::min(until, now + kLook);
    } else {
        dozing_ = true;
        if (data_.has_work()) until = std::min(until, now + kLook);  // posted before it saw us dozing
    }
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
    if (verdict_.is_set()) announce(verdict_.get(), true);
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
