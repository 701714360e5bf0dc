// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/choice.hpp"

#include <algorithm>
#include <vector>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda::dnn {

bool is_allowed(const CandidateFacts& facts, const Problem& problem) {
    if (problem.deterministic && facts.nondeterministic) return false;
    if (facts.rounds_sums) return false;
    if (problem.dtype != DType::float32) return true;
    // An engine on the tensor cores has no way to multiply all bits of a float.
    return problem.math == MathMode::tf32 || !(facts.rounds_inputs || facts.tensor_cores);
}

std::optional<std::size_t> choose(std::span<const CandidateFacts> facts, std::int64_t workspace_budget) {
    std::optional<std::size_t> best, smallest;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        if (!smallest || facts[i].workspace < facts[*smallest].workspace) smallest = i;
        if (facts[i].workspace > workspace_budget) continue;
        if (!best) {
            best = i;
            continue;
        }
        const auto &time = facts[i].milliseconds, &best_time = facts[*best].milliseconds;
        if (time && (!best_time || *time < *best_time)) best = i;
    }
    return best ? best : smallest;
}

void measure(std::span<CandidateFacts> facts, int rounds, const std::function<double(std::size_t)>& run) {
    std::vector<bool> failed(facts.size());
    for (int round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < facts.size(); ++i) {
            if (failed[i]) continue;
            try {
                const double milliseconds = run(i);
                auto& best = facts[i].milliseconds;
                best = best ? std::min(*best, milliseconds) : milliseconds;
            } catch (const Error&) {
                failed[i] = true;
                facts[i].milliseconds.reset();
            }
        }
}

}  // namespace firecaffe::cuda::dnn
