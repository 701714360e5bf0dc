// SPDX-License-Identifier: Apache-2.0
// The solver's settings. Field names are Caffe's and equal the keys in JSON; the rate policies are the seven of
// BVLC Caffe 1.0 (sgd_solver.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace firecaffe {

/// Rate at iteration `it` (from 0), b = base_lr, g = gamma:
///   fixed b - step b*g^floor(it/stepsize) - exp b*g^it - inv b*(1+g*it)^-power - multistep b*g^(stepvalues <= it)
///   poly b*(1-it/max_iter)^power - sigmoid b/(1+exp(-g*(it-stepsize)))
struct LrPolicyOptions {
    enum class Type : std::uint8_t { fixed, step, exp, inv, multistep, poly, sigmoid };
    Type type = Type::fixed;
    double gamma = 0.1;
    double power = 0.0;  ///< Caffe's default: a poly policy without a power is constant
    std::int64_t stepsize = 0;
    std::vector<std::int64_t> stepvalue{};
};

enum class Regularization : std::uint8_t { l2, l1 };

struct SolverOptions {
    enum class Type : std::uint8_t { sgd };
    Type type = Type::sgd;
    double base_lr = 0.01;
    LrPolicyOptions lr_policy{};
    double momentum = 0.0;
    double weight_decay = 0.0;
    Regularization regularization_type = Regularization::l2;
    double clip_gradients = -1.0;      ///< largest L2 norm of the whole gradient; negative: no clipping
    std::int64_t max_iter = 0;         ///< number of updates
    std::int64_t global_batch = 0;     ///< images per update, over all workers
    std::int64_t shards = 0;           ///< V, the logical shards of the canonical sum; 0: one per worker thread
    std::uint64_t random_seed = 1;
    std::int64_t display = 50;         ///< iterations between progress lines
    std::int64_t test_interval = 0;    ///< iterations between evaluations; 0: at the end only
    std::int64_t test_batch = 100;     ///< images per evaluation batch
};

}  // namespace firecaffe
