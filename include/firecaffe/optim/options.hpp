// SPDX-License-Identifier: Apache-2.0
// The solver's settings. Field names are Caffe's, where Caffe has them, and equal the keys in JSON; the rate policies are
// the seven of BVLC Caffe 1.0 (sgd_solver.cpp).
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

/// How the base rate follows the size of the batch: with k = global_batch / base_batch, linear multiplies it by k (Goyal
/// et al. 2017) and sqrt by the root of k (Krizhevsky 2014).
enum class LrScaling : std::uint8_t { none, linear, sqrt };

struct SolverOptions {
    /// The update rules; their formulas stand with the policies in momentum.hpp, adaptive.hpp, adam.hpp, layerwise.hpp.
    enum class Type : std::uint8_t { sgd, nesterov, adagrad, rmsprop, adadelta, adam, adamw, lars, lamb };
    Type type = Type::sgd;
    double base_lr = 0.01;
    LrScaling lr_scaling = LrScaling::none;
    std::int64_t base_batch = 0;       ///< images per update for which base_lr was found; lr_scaling needs it
    LrPolicyOptions lr_policy{};
    std::int64_t warmup_iter = 0;      ///< iterations of the warm-up; 0: none
    double warmup_start_lr = 0.0;      ///< rate of the warm-up's first iteration; lr_scaling leaves it alone
    double momentum = 0.0;             ///< also b1 of the Adam family, and the rate of AdaDelta's averages
    double momentum2 = 0.999;          ///< b2 of the Adam family
    double rms_decay = 0.99;           ///< the rate of RMSProp's average
    double delta = 1e-8;               ///< keeps divisors of the adaptive rules from zero
    double trust_coefficient = 0.001;  ///< of LARS
    double weight_decay = 0.0;
    Regularization regularization_type = Regularization::l2;
    double clip_gradients = -1.0;      ///< largest L2 norm of the whole gradient; negative: no clipping
    std::int64_t max_iter = 0;         ///< number of updates
    std::int64_t global_batch = 0;     ///< images per update, over all workers
    std::int64_t shards = 0;           ///< logical shards of a pass; 0: one per worker thread
    std::int64_t iter_size = 1;        ///< passes per update; the canonical sum is over iter_size * shards shards
    std::uint64_t random_seed = 1;
    std::int64_t display = 50;         ///< iterations between progress lines
    std::int64_t test_interval = 0;    ///< iterations between evaluations; 0: at the end only
    std::int64_t test_batch = 100;     ///< images per evaluation batch
};

}  // namespace firecaffe
