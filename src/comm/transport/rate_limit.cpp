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
constexpr double kTurns = 8;              // in which a full bucket is refilled

}  // namespace

RateLimit::RateLimit(double bytes_per_second)
    : rate_(bytes_per_second),
      size_(std::max(rate_ * kBurstSeconds, kLeastBurst)),
      least_(size_ / kTurns),
      buckets_{{size_, Clock::now()}, {size_, Clock::now()}},
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    if (!timer_)
        throw UnavailableError("cannot make a timer for the rate of the link: ", error_text(errno), "; check ulimit -n");
}

std::size_t RateLimit::allowance(Way way) {
    Bucket& bucket = buckets_[way];
    const Time now = Clock::now();
    bucket.bytes = std::min(size_, bucket.bytes + rate_ * std::chrono::duration<double>(now - bucket.filled).count());
    bucket.filled = now;
    if (bucket.bytes >= least_) return static_cast<std::size_t>(bucket.bytes);
    if (!armed_) {
        const double seconds = (least_ - bucket.bytes) / rate_;
        itimerspec when{};
        when.it_value.tv_sec = static_cast<time_t>(seconds);
        when.it_value.tv_nsec = std::max(1L, static_cast<long>(1e9 * (seconds - static_cast<double>(when.it_value.tv_sec))));
        armed_ = ::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
    }
    return 0;
}

void RateLimit::look() {
    std::uint64_t times = 0;
    if (::read(timer_.get(), &times, sizeof times) == sizeof times) armed_ = false;
}

}  // namespace firecaffe::comm
