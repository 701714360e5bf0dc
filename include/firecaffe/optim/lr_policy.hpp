// SPDX-License-Identifier: Apache-2.0
// The learning rate as a function of the iteration: Caffe's seven policies.
#pragma once

#include <cstdint>

#include "firecaffe/optim/options.hpp"

namespace firecaffe {

/// Rate at `iteration` (from 0). The formulas stand with LrPolicyOptions. Pure.
double learning_rate(const SolverOptions& solver, std::int64_t iteration);

/// Throws ConfigError for a policy without what it needs: step and sigmoid a positive stepsize, multistep a strictly
/// increasing stepvalue, poly a positive max_iter.
void check_lr_policy(const SolverOptions& solver);

}  // namespace firecaffe
