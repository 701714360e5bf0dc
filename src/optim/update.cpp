// SPDX-License-Identifier: Apache-2.0
#include "optim/update_parameters.hpp"

namespace firecaffe {

template void update_parameters(Optimizer<float, Cpu>&, const ArenaLayout&, std::span<float>, std::span<const float>,
                                std::size_t, std::size_t, double);
template void update_parameters(Optimizer<double, Cpu>&, const ArenaLayout&, std::span<double>, std::span<const double>,
                                std::size_t, std::size_t, double);

}  // namespace firecaffe
