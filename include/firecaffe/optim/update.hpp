// SPDX-License-Identifier: Apache-2.0
// One update of a span of the arenas: learned parameters by an optimizer, statistics parameters by their one rule. So
// an update rule never sees statistics, and there is no rate, decay or clipping for them.
#pragma once

#include <cstddef>
#include <span>

#include "firecaffe/optim/optimizer.hpp"

namespace firecaffe {

/// Updates elements [first, last); `optimizer` has been told to begin(). A statistics parameter becomes
/// moving_average_fraction * value + mean_factor * sum, mean_factor being what makes means of the sums over shards
/// (without clipping). The ranges of one update do not overlap, and none begins or ends within a statistics parameter.
template <class T, class Device>
void update_parameters(Optimizer<T, Device>& optimizer, const ArenaLayout& layout, std::span<T> parameters,
                       std::span<const T> sums, std::size_t first, std::size_t last, double mean_factor);

extern template void update_parameters(Optimizer<float, Cpu>&, const ArenaLayout&, std::span<float>,
                                       std::span<const float>, std::size_t, std::size_t, double);
extern template void update_parameters(Optimizer<double, Cpu>&, const ArenaLayout&, std::span<double>,
                                       std::span<const double>, std::size_t, std::size_t, double);
extern template void update_parameters(Optimizer<float, Cuda>&, const ArenaLayout&, std::span<float>,
                                       std::span<const float>, std::size_t, std::size_t, double);
extern template void update_parameters(Optimizer<double, Cuda>&, const ArenaLayout&, std::span<double>,
                                       std::span<const double>, std::size_t, std::size_t, double);

}  // namespace firecaffe
