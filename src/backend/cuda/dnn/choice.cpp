// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/choice.hpp"

namespace firecaffe::cuda::dnn {

bool is_allowed(const CandidateFacts& facts, const Problem& problem) {
    if (problem.deterministic && facts.nondeterministic) return false;
    if (facts.rounds_sums) return false;
    if (problem.dtype != DType::float32) return true;
    // An engine on the tensor cores has no way to multiply all bits of a float.
    return problem.math == MathMode::tf32 || !(facts.rounds_inputs || facts.tensor_cores);
}

std::optional<std::size_t> choose(std::span<const CandidateFacts> facts, const Policy& policy) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        if (facts[i].workspace > policy.workspace_budget) continue;
        if (!best) {
            best = i;
            continue;
        }
        const auto &time = facts[i].milliseconds, &best_time = facts[*best].milliseconds;
        if (time && (!best_time || *time < *best_time)) best = i;
    }
    return best;
}

}  // namespace firecaffe::cuda::dnn
