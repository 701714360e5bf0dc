// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/optim/update.hpp"

namespace firecaffe {

namespace {

template <class T>
void update_statistic(const ParameterInfo& p, std::span<T> parameters, std::span<const T> sums, double mean_factor) {
    const T fraction = static_cast<T>(*p.moving_average_fraction), scale = static_cast<T>(mean_factor);
    for (std::size_t i = p.offset; i < p.end(); ++i) parameters[i] = fraction * parameters[i] + scale * sums[i];
}

}  // namespace

template <class T, class Device>
void update_parameters(Optimizer<T, Device>& optimizer, const ArenaLayout& layout, std::span<T> parameters,
                       std::span<const T> sums, std::size_t first, std::size_t last, double mean_factor) {
    std::size_t learned = first;  // from here on nothing is updated yet
    for (const ParameterInfo& p : layout.parameters()) {
        if (!p.is_statistic() || p.offset < first || p.end() > last) continue;
        if (learned < p.offset) optimizer.update(parameters, sums, learned, p.offset);
        update_statistic(p, parameters, sums, mean_factor);
        learned = p.end();
    }
    if (learned < last) optimizer.update(parameters, sums, learned, last);
}

template void update_parameters(Optimizer<float, Cpu>&, const ArenaLayout&, std::span<float>, std::span<const float>,
                                std::size_t, std::size_t, double);
template void update_parameters(Optimizer<double, Cpu>&, const ArenaLayout&, std::span<double>, std::span<const double>,
                                std::size_t, std::size_t, double);

}  // namespace firecaffe
