// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/rate_limit.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

constexpr double kBurstSeconds = 2e-3;
constexpr double kLeastBurst = 64 << 10;  // bytes
constexpr double kShares = 8;             // of a full bucket

}  // namespace

RateLimit::RateLimit(double bytes_per_second)
    : rate_(bytes_per_second),
      size_(std::max(rate_ * kBurstSeconds, kLeastBurst)),
      share_(static_cast<std::size_t>(size_ / kShares)),
      buckets_{{size_, Clock::now()}, {size_, Clock::now()}},
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!timer_)
        throw UnavailableError("cannot make a timer for the rate of the link: ", error_text(errno),
                               "; check ulimit -n");
}

std::size_t RateLimit::allowance(Way way) {
    Bucket& bucket = buckets_[way];
    const Time now = Clock::now();
    bucket.bytes = std::min(size_, bucket.bytes + rate_ * std::chrono::duration<double>(now - bucket.filled).count());
    bucket.filled = now;
    if (bucket.bytes > 0) return share_;
    wake(now + seconds((1 - bucket.bytes) / rate_));
    return 0;
}

/// The other way may have asked for a later time.
void RateLimit::wake(Time at) {
    if (at >= wakes_) return;
    const auto since_boot = at.time_since_epoch();
    const auto whole = std::chrono::floor<std::chrono::seconds>(since_boot);
    itimerspec when{};
    when.it_value.tv_sec = whole.count();
    when.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - whole).count();
    if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0) wakes_ = at;
}

void RateLimit::look() {
    std::uint64_t times = 0;
    if (::read(timer_.get(), &times, sizeof times) == sizeof times) wakes_ = Time::max();
}

}  // namespace firecaffe::comm
