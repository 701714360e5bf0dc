// SPDX-License-Identifier: Apache-2.0
// The clock of deadlines.
#pragma once

#include <algorithm>
#include <chrono>

namespace firecaffe::comm {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

/// Bounded to a year, so that no sum with it overflows.
inline Clock::duration seconds(double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::clamp(s, 0.0, 3.2e7)));
}

/// Whole milliseconds until `deadline`, rounded up, at least 0 and at most `most`; what poll() wants.
inline int milliseconds_until(Time deadline, Time now, int most = 1000) {
    if (deadline <= now) return 0;
    if (deadline - now > std::chrono::milliseconds(most)) return most;
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count());
}

}  // namespace firecaffe::comm
