// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/plan_search.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace firecaffe::cuda::dnn {

namespace {

constexpr int kRounds = 4;  // the first is a warm-up: the shortest time counts
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::int64_t kNoBudget = std::numeric_limits<std::int64_t>::max();

std::vector<CandidateFacts> facts_of(const std::vector<Plan>& plans) {
    std::vector<CandidateFacts> facts;
    for (const Plan& plan : plans) facts.push_back(plan.facts());
    return facts;
}

std::optional<Plan> from_cache(const Problem& problem, const Target& target, const ops::GpuMath& math,
                               const PlanCache& cache, bool measured) {
    const auto record = cache.find(problem);
    if (!record || record->budget != math.workspace_budget) return std::nullopt;
    if (measured && !record->facts.milliseconds) return std::nullopt;
    try {
        return Plan(record->plan, problem, record->facts, target);
    } catch (const DnnError&) {
        return std::nullopt;  // of a text that somebody edited, or of another driver: it is looked for again
    }
}

}  // namespace

Plan find_plan(const Problem& problem, const Target& target, const ops::GpuMath& math, PlanCache& cache,
               const Timer& timer) {
    const bool measured = timer && !math.deterministic && math.tune_first > 1;
    if (auto kept = from_cache(problem, target, math, cache, measured)) return std::move(*kept);
    std::vector<Plan> plans = make_plans(problem, target, math.workspace_budget, measured ? math.tune_first : 1);
    if (plans.empty()) plans = make_plans(problem, target, kNoBudget, kAll);
    std::vector<CandidateFacts> facts = facts_of(plans);
    if (measured) measure(facts, kRounds, [&](std::size_t i) { return timer(plans[i]); });
    const auto best = choose(facts, math.workspace_budget);
    if (!best)
        throw DeviceError("cuDNN ", cudnnGetVersion(), " has no code for ", problem, " on ", target.name(),
                          "; allow more (GpuMath: deterministic false, tf32 true), or compute it on the CPU");
    cache.keep(problem, {facts[*best], math.workspace_budget, plans[*best].json()});
    return std::move(plans[*best]);
}

}  // namespace firecaffe::cuda::dnn
