// SPDX-License-Identifier: Apache-2.0
// The body of update_parameters, which is instantiated for each device where that is compiled.
#pragma once

#include "firecaffe/optim/update.hpp"

namespace firecaffe {

/// The one rule of statistics parameters: w = fraction * w + the mean over shards.
struct StatisticsRule {
    double fraction = 0.0;

    template <class T>
    void update(const UpdateRange<T>& u) const {
        const T keep = static_cast<T>(fraction);
        for (std::size_t i = 0; i < u.count; ++i) u.value[i] = keep * u.value[i] + u.mean(i);
    }
};

template <class T, class Device>
void update_parameters(Optimizer<T, Device>& optimizer, const ArenaLayout& layout, std::span<T> parameters,
                       std::span<const T> sums, std::size_t first, std::size_t last, double mean_factor) {
    std::size_t learned = first;  // from here on nothing is updated yet
    for (const ParameterInfo& p : layout.parameters()) {
        if (!p.is_statistic() || p.offset < first || p.end() > last) continue;
        if (learned < p.offset) optimizer.update(parameters, sums, learned, p.offset);
        UpdateRange<T> range;
        range.parameter = &p;
        range.value = parameters.data() + p.offset;
        range.sum = sums.data() + p.offset;
        range.count = p.count;
        range.scale = static_cast<T>(mean_factor);
        PolicyRunner<Device>::run(StatisticsRule{*p.moving_average_fraction},
                                  std::span<const UpdateRange<T>>(&range, 1));
        learned = p.end();
    }
    if (learned < last) optimizer.update(parameters, sums, learned, last);
}

}  // namespace firecaffe
