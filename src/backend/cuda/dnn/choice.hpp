// SPDX-License-Identifier: Apache-2.0
// Which of several plans is taken: rules on plain data, without cuDNN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "backend/cuda/dnn/problem.hpp"

namespace firecaffe::cuda::dnn {

/// What matters about a candidate.
struct CandidateFacts {
    std::int64_t engine = -1;    ///< cuDNN's number of the engine
    std::string heuristics;      ///< the mode that proposed it
    std::int64_t workspace = 0;  ///< bytes
    bool nondeterministic = false;
    bool tensor_cores = false;
    bool rounds_inputs = false;      ///< float is rounded before it is multiplied
    bool rounds_sums = false;        ///< partial sums are kept in fewer bits than float
    bool transforms = false;         ///< Winograd or Fourier: other rounding than a sum of products
    bool compiles_at_run_time = false;
    std::optional<double> milliseconds{};  ///< as measured; empty: not measured
};

struct Policy {
    std::int64_t workspace_budget = std::int64_t{256} << 20;  ///< bytes
    /// How many plans are timed on the device before one is taken; up to 1: none is, the heuristics' first is taken.
    std::size_t tune_first = 1;
};

/// Whether the problem allows it: in the deterministic mode only what gives the same bits each time; where math is
/// exact, no float that is rounded before it is multiplied. The workspace is not looked at.
bool is_allowed(const CandidateFacts& facts, const Problem& problem);

/// Index of the one to take: the fastest of those that were measured, else the first, among those within the budget.
/// Empty: none fits.
std::optional<std::size_t> choose(std::span<const CandidateFacts> facts, const Policy& policy);

}  // namespace firecaffe::cuda::dnn
