// SPDX-License-Identifier: Apache-2.0
// The learning rate as a function of the iteration: Caffe's seven policies, after a warm-up.
#pragma once

#include <cstdint>

#include "firecaffe/optim/options.hpp"

namespace firecaffe {

/// The base rate after lr_scaling: the b of the policies' formulas.
double effective_base_lr(const SolverOptions& solver);

/// Rate at `iteration` (from 0). The formulas stand with LrPolicyOptions. During the warm-up the rate goes in a
/// straight line from warmup_start_lr at iteration 0 to the policy's rate at iteration warmup_iter, where the policy
/// takes over. The policy counts from iteration 0, with or without a warm-up: a step at 1000 is at 1000. Pure.
double learning_rate(const SolverOptions& solver, std::int64_t iteration);

/// Throws ConfigError for a policy without what it needs: step and sigmoid a positive stepsize, multistep a strictly
/// increasing stepvalue, poly a positive max_iter; for a warm-up that is longer than the run; for lr_scaling without a
/// base_batch.
void check_lr_policy(const SolverOptions& solver);

}  // namespace firecaffe
