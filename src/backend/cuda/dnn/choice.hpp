// SPDX-License-Identifier: Apache-2.0
// Which of several plans is taken: rules on plain data, without cuDNN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
    bool rounds_inputs = false;  ///< float is rounded before it is multiplied
    bool rounds_sums = false;    ///< partial sums are kept in fewer bits than float
    bool transforms = false;     ///< Winograd or Fourier: other rounding than a sum of products
    bool compiles_at_run_time = false;
    std::optional<double> milliseconds{};  ///< as measured; empty: not measured
};

/// Whether the problem allows it: in the deterministic mode only what gives the same bits each time; where math is
/// exact, no float that is rounded before it is multiplied. The workspace is not looked at.
bool is_allowed(const CandidateFacts& facts, const Problem& problem);

/// Index of the one to take: the fastest of those that were measured, else the first, among those whose workspace is
/// within the budget; where none is, the one that needs least. Empty: there is none at all.
std::optional<std::size_t> choose(std::span<const CandidateFacts> facts, std::int64_t workspace_budget);

/// Measures candidates: `run(i)` runs number i once and returns its milliseconds. They take turns, so that a clock that
/// changes meets all of them, and the shortest of `rounds` times counts. One that throws is left without a time.
void measure(std::span<CandidateFacts> facts, int rounds, const std::function<double(std::size_t)>& run);

}  // namespace firecaffe::cuda::dnn
