// SPDX-License-Identifier: Apache-2.0
// From a graph to a plan that runs: cuDNN's heuristics propose configurations of engines, and each may become a plan.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/cuda/dnn/choice.hpp"
#include "backend/cuda/dnn/graph.hpp"

namespace firecaffe::cuda::dnn {

/// Executable code for one problem. Independent of the graph that it was made from.
class Plan {
  public:
    /// Where the operands lie. Null for what the problem does not have.
    struct Pointers {
        const void *x = nullptr, *w = nullptr, *y = nullptr, *bias = nullptr;
        friend bool operator==(const Pointers&, const Pointers&) = default;
    };

    /// `plan` is finalized.
    Plan(Descriptor plan, const Problem& problem, CandidateFacts facts);
    /// One that `json()` of the same version of cuDNN wrote. Throws DnnError.
    Plan(const std::string& json, const Problem& problem, CandidateFacts facts, const Target& target);

    const CandidateFacts& facts() const { return facts_; }
    std::size_t workspace_bytes() const { return static_cast<std::size_t>(facts_.workspace); }
    /// cuDNN's own text form, 3 to 5 KB.
    std::string json() const { return plan_.get_text(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION); }

    /// Starts it on the stream of `handle`; what it writes is one of the pointers, by the problem's pass. `workspace`
    /// has workspace_bytes(), aligned like an operand. Allocates only where a pointer is another one than last time.
    void run(cudnnHandle_t handle, const Pointers& pointers, void* workspace);

  private:
    Descriptor plan_;
    CandidateFacts facts_;
    bool has_bias_;
    std::optional<Descriptor> pack_;  ///< of the last run: its pointers, as cuDNN reads them
    Pointers pointers_;
    void* workspace_ = nullptr;
};

/// What heuristics propose, in their order of preference, before a plan is made of it.
struct Candidate {
    Descriptor config;
    CandidateFacts facts;  ///< but for the workspace, which only the plan knows
};

/// Proposals of cuDNN's modes A (fast, learned), B (slower, more) and fallback (plain, wide cover), in this order.
enum class Heuristics : std::uint8_t { a, b, fallback };
inline constexpr std::array kHeuristics{Heuristics::a, Heuristics::b, Heuristics::fallback};
std::string to_string(Heuristics mode);

/// Empty where this mode has none for the graph.
std::vector<Candidate> candidates(const Graph& graph, const Target& target, Heuristics mode);

/// The candidates that the problem allows, as plans whose workspace is within the budget, the preferred first; at most
/// `most`. Those of a mode are only asked for while there are fewer.
std::vector<Plan> make_plans(const Problem& problem, const Target& target, std::int64_t workspace_budget,
                             std::size_t most);

}  // namespace firecaffe::cuda::dnn
