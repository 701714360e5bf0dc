// SPDX-License-Identifier: Apache-2.0
#include "analysis/peak.hpp"

#include <algorithm>
#include <barrier>
#include <vector>

#include "analysis/on_threads.hpp"
#include "firecaffe/ops/multiply_adds.hpp"

namespace firecaffe::analysis {

double joint_rate(std::span<const Burst> bursts) {
    if (bursts.empty()) return 0.0;
    Burst all = bursts.front();
    for (const Burst& burst : bursts.subspan(1)) {
        all.start = std::min(all.start, burst.start);
        all.end = std::max(all.end, burst.end);
        all.operations += burst.operations;
    }
    const double seconds = std::chrono::duration<double>(all.end - all.start).count();
    return seconds > 0 ? all.operations / seconds : 0.0;
}

/// Goes are short, so that one of them is likely to be left in peace. All threads start each together.
Peak measure_peak(int threads) {
    using Clock = std::chrono::steady_clock;
    constexpr std::int64_t kRounds = 500'000;  // about a millisecond
    constexpr std::size_t kGoes = 20;
    const auto count = static_cast<std::size_t>(threads);
    Peak peak;
    for (const ops::MultiplyAdds& loop : ops::multiply_adds()) {
        std::vector<Burst> bursts(kGoes * count);
        std::barrier together(threads);
        on_threads(threads, [&](std::size_t thread) {
            for (std::size_t go = 0; go < kGoes; ++go) {
                Burst& burst = bursts[go * count + thread];
                together.arrive_and_wait();
                burst.start = Clock::now();
                burst.operations = static_cast<double>(loop.run(kRounds));
                burst.end = Clock::now();
            }
        });
        for (std::size_t go = 0; go < kGoes; ++go) {
            const double rate = joint_rate(std::span(bursts).subspan(go * count, count));
            if (rate > peak.rate) peak = {rate, loop.instructions};
        }
    }
    return peak;
}

}  // namespace firecaffe::analysis
