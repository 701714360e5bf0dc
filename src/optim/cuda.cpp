// SPDX-License-Identifier: Apache-2.0
// Optimizers whose parameters lie on a GPU. The kernels are in src/backend/cuda/update.cu.
#include "optim/make_optimizer.hpp"
#include "optim/update_parameters.hpp"

namespace firecaffe {

template std::unique_ptr<Optimizer<float, Cuda>> make_optimizer(const SolverOptions&, const ArenaLayout&);
template std::unique_ptr<Optimizer<double, Cuda>> make_optimizer(const SolverOptions&, const ArenaLayout&);

template void update_parameters(Optimizer<float, Cuda>&, const ArenaLayout&, std::span<float>, std::span<const float>,
                                std::size_t, std::size_t, double);
template void update_parameters(Optimizer<double, Cuda>&, const ArenaLayout&, std::span<double>,
                                std::span<const double>, std::size_t, std::size_t, double);

}  // namespace firecaffe
