// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/plan.hpp"

#include <algorithm>

namespace firecaffe::cuda::dnn {

namespace {

Descriptor from_json(const std::string& json, const Problem& problem, const Target& target) {
    Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, to_string(problem));
    target.attach_to_plan(plan);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, std::span<const char>(json)).finalize();
    return plan;
}

cudnnBackendHeurMode_t mode_of(Heuristics mode) {
    switch (mode) {
        case Heuristics::a:
            return CUDNN_HEUR_MODE_A;
        case Heuristics::b:
            return CUDNN_HEUR_MODE_B;
        case Heuristics::fallback:
            return CUDNN_HEUR_MODE_FALLBACK;
    }
    return CUDNN_HEUR_MODE_FALLBACK;
}

CandidateFacts facts_of(const Descriptor& config, Heuristics mode) {
    auto engines = config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    FIRECAFFE_INVARIANT(engines.size() == 1);
    const Descriptor& engine = engines.front();
    CandidateFacts facts;
    facts.engine = engine.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    facts.heuristics = to_string(mode);
    for (const auto note : engine.get_all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                                       CUDNN_NUMERICAL_NOTE_TYPE_COUNT)) {
        facts.nondeterministic |= note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        facts.tensor_cores |= note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        facts.rounds_inputs |= note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
        facts.rounds_sums |= note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;
        facts.transforms |= note == CUDNN_NUMERICAL_NOTE_FFT || note == CUDNN_NUMERICAL_NOTE_WINOGRAD;
    }
    for (const auto note :
         engine.get_all<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT))
        facts.compiles_at_run_time |= note == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return facts;
}

}  // namespace

std::string to_string(Heuristics mode) {
    switch (mode) {
        case Heuristics::a:
            return "A";
        case Heuristics::b:
            return "B";
        case Heuristics::fallback:
            return "fallback";
    }
    return "unknown";
}

Plan::Plan(Descriptor plan, const Problem& problem, CandidateFacts facts)
    : plan_(std::move(plan)), facts_(std::move(facts)), has_bias_(problem.geometry.bias) {
    facts_.workspace = plan_.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
}

Plan::Plan(const std::string& json, const Problem& problem, CandidateFacts facts, const Target& target)
    : Plan(from_json(json, problem, target), problem, std::move(facts)) {}

void Plan::run(cudnnHandle_t handle, const Pointers& pointers, void* workspace) {
    if (!pack_ || pointers != pointers_ || workspace != workspace_) {
        const std::array ids{static_cast<std::int64_t>(Operand::x), static_cast<std::int64_t>(Operand::w),
                             static_cast<std::int64_t>(Operand::y), static_cast<std::int64_t>(Operand::bias)};
        const std::array<void*, 4> data{const_cast<void*>(pointers.x), const_cast<void*>(pointers.w),
                                        const_cast<void*>(pointers.y), const_cast<void*>(pointers.bias)};
        const std::size_t count = has_bias_ ? 4 : 3;
        Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, plan_.place());
        pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(ids.data(), count));
        pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<void* const>(data.data(), count));
        pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace).finalize();
        pack_ = std::move(pack);
        pointers_ = pointers, workspace_ = workspace;
    }
    const cudnnStatus_t answer = cudnnBackendExecute(handle, plan_.handle(), pack_->handle());
    if (answer != CUDNN_STATUS_SUCCESS) check(answer, "cannot run", "the plan", plan_.place());
}

std::vector<Candidate> candidates(const Graph& graph, const Target& target, Heuristics mode) {
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, graph.descriptor().place());
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.descriptor());
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode_of(mode));
    target.attach_to_heuristics(heuristics);
    const cudnnStatus_t answer = heuristics.try_finalize();
    if (is_refusal(answer)) return {};
    check(answer, "cannot ask", "heuristics", graph.descriptor().place());
    std::vector<Candidate> found;
    for (Descriptor& config :
         heuristics.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
        CandidateFacts facts = facts_of(config, mode);
        found.push_back({std::move(config), std::move(facts)});
    }
    return found;
}

std::vector<Plan> make_plans(const Problem& problem, const Target& target, std::int64_t workspace_budget,
                             std::size_t most) {
    const Graph graph(problem, target);
    std::vector<Plan> plans;
    for (const Heuristics mode : kHeuristics) {
        if (plans.size() >= most) break;
        for (Candidate& candidate : candidates(graph, target, mode)) {
            if (plans.size() >= most) break;
            if (!is_allowed(candidate.facts, problem)) continue;
            Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, graph.descriptor().place());
            target.attach_to_plan(plan);
            plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, candidate.config);
            if (plan.try_finalize() != CUDNN_STATUS_SUCCESS) continue;  // proposals are not promises
            Plan made(std::move(plan), problem, std::move(candidate.facts));
            if (made.facts().workspace <= workspace_budget) plans.push_back(std::move(made));
        }
    }
    return plans;
}

}  // namespace firecaffe::cuda::dnn
