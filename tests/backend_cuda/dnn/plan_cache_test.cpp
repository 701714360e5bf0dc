// SPDX-License-Identifier: Apache-2.0
// Plans that are kept: as text and back, of this version and GPU alone, and found again by problem.
#include "backend/cuda/dnn/plan_cache.hpp"

#include <string>

#include "backend/cuda/dnn/plan_search.hpp"
#include "catch.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;

namespace {

Problem small_problem(std::int64_t outputs = 64) {
    ops::ConvolutionGeometry g;
    g.num_output = outputs;
    g.kernel_h = g.kernel_w = 3;
    return make_problem(Pass::forward, g, {16, 64, 14, 14}, DType::float32, MathMode::tf32, true);
}

PlanRecord record(std::int64_t workspace) {
    PlanRecord r;
    r.facts.engine = 7, r.facts.heuristics = "A", r.facts.workspace = workspace, r.facts.tensor_cores = true;
    r.budget = 1000;
    r.plan = "{\"a\": \"text with \\\"quotes\\\"\"}";
    return r;
}

std::string refusal(PlanCache& cache, const std::string& text) {
    try {
        return cache.add(text, "plans.json");
    } catch (const DataError& error) {
        return std::string("damaged: ") + error.what();
    }
}

}  // namespace

TEST_CASE("a cache comes back from its text") {
    PlanCache cache(91900, "NVIDIA H200");
    PlanRecord timed = record(123);
    timed.facts.milliseconds = 0.25;
    timed.facts.nondeterministic = timed.facts.transforms = true;
    cache.keep(small_problem(), timed);
    cache.keep(small_problem(32), record(0));
    PlanCache again(91900, "NVIDIA H200");
    CHECK(again.add(cache.text(), "plans.json") == "");
    CHECK(again.size() == 2);
    CHECK(again.text() == cache.text());
    const auto found = again.find(small_problem());
    REQUIRE(found);
    CHECK(found->plan == timed.plan);
    CHECK(found->facts.milliseconds == 0.25);
    CHECK(found->facts.workspace == 123);
    CHECK(found->budget == 1000);
    CHECK(found->facts.transforms);
    CHECK_FALSE(again.find(small_problem(48)));
}

TEST_CASE("plans of another version or GPU are of no use, damaged ones are refused, and neither change anything") {
    PlanCache cache(91900, "NVIDIA H200");
    cache.keep(small_problem(), record(1));
    PlanCache newer(91901, "NVIDIA H200"), other(91900, "NVIDIA A100");
    CHECK(refusal(newer, cache.text()).find("cuDNN 91900") != std::string::npos);
    CHECK(refusal(other, cache.text()).find("NVIDIA H200") != std::string::npos);
    CHECK(refusal(other, cache.text()).find("plans.json") == 0);
    std::string no_format = cache.text();
    no_format.replace(no_format.find("\"format\": 1"), 11, "\"format\": 9");
    CHECK(refusal(cache, no_format).find("format 9") != std::string::npos);
    const std::string text = cache.text();
    PlanCache empty(91900, "NVIDIA H200");
    for (const std::string& damaged :
         {text.substr(0, text.size() / 2), std::string("[]"), std::string("{}"), std::string()})
        CHECK(refusal(empty, damaged).find("damaged: plans.json: ") == 0);
    std::string mistyped = text;
    mistyped.replace(mistyped.find("\"workspace\": 1"), 14, "\"workspace\": \"\"");
    CHECK(refusal(empty, mistyped).find("damaged: ") == 0);
    CHECK(newer.size() + other.size() + empty.size() == 0);
}

TEST_CASE("what is here already stays when a text is added") {
    PlanCache cache(1, "GPU"), other(1, "GPU");
    cache.keep(small_problem(), record(1));
    other.keep(small_problem(), record(2));
    other.keep(small_problem(32), record(3));
    CHECK(cache.add(other.text(), "plans.json") == "");
    CHECK(cache.size() == 2);
    CHECK(cache.find(small_problem())->facts.workspace == 1);
}

TEST_CASE("a plan is looked for once, kept, and made again from its text") {
    const Target target(device_description("h200"));
    PlanCache cache(cudnnGetVersion(), target.name());
    const Plan first = find_plan(small_problem(), target, {}, cache, {});
    REQUIRE(cache.size() == 1);
    PlanCache reread(cudnnGetVersion(), target.name());
    CHECK(reread.add(cache.text(), "plans.json") == "");
    const Plan second = find_plan(small_problem(), target, {}, reread, {});
    CHECK(second.facts().engine == first.facts().engine);
    CHECK(second.workspace_bytes() == first.workspace_bytes());
    CHECK(second.json() == first.json());

    // A text that is no plan is not trusted: the plan is looked for again.
    PlanRecord broken = *cache.find(small_problem());
    broken.plan = "{}";
    broken.facts.engine = -5;
    cache.keep(small_problem(), broken);
    CHECK(find_plan(small_problem(), target, {}, cache, {}).facts().engine == first.facts().engine);
    CHECK(cache.find(small_problem())->facts.engine == first.facts().engine);
}

TEST_CASE("several plans are timed where that is allowed, and the fastest is kept") {
    const Target target(device_description("h200"));
    const ops::GpuMath tuned{.tf32 = true, .deterministic = false, .tune_first = 5};
    Problem problem = small_problem();
    problem.deterministic = false;
    PlanCache cache(cudnnGetVersion(), target.name());
    int runs = 0;
    const Timer timer = [&](Plan&) { return ++runs % 5 == 3 ? 1.0 : 2.0; };  // the third of five is fast
    const Plan plan = find_plan(problem, target, tuned, cache, timer);
    CHECK(runs == 20);
    CHECK(cache.find(problem)->facts.milliseconds == 1.0);
    CHECK(make_plans(problem, target, tuned.workspace_budget, 5)[2].facts().engine == plan.facts().engine);

    (void)find_plan(problem, target, tuned, cache, timer);  // measured already
    CHECK(runs == 20);

    PlanCache steady(cudnnGetVersion(), target.name());  // in the deterministic mode nothing is timed
    (void)find_plan(small_problem(), target, {.tf32 = true, .tune_first = 5}, steady, timer);
    CHECK(runs == 20);
    CHECK_FALSE(steady.find(small_problem())->facts.milliseconds);

    PlanCache untimed(cudnnGetVersion(), target.name());  // kept without a time: measured now
    (void)find_plan(problem, target, {.tf32 = true, .deterministic = false}, untimed, timer);
    CHECK(runs == 20);
    (void)find_plan(problem, target, tuned, untimed, timer);
    CHECK(runs == 40);
}

TEST_CASE("the budget of the work space is kept where that is possible") {
    const Target target(device_description("h200"));
    ops::ConvolutionGeometry g;
    g.num_output = 64;
    g.kernel_h = g.kernel_w = 3, g.pad_h = g.pad_w = 1;
    const Problem problem = make_problem(Pass::data, g, {256, 64, 56, 56}, DType::float32, MathMode::exact, true);
    const auto least = [&](std::int64_t budget) {
        PlanCache cache(cudnnGetVersion(), target.name());
        return find_plan(problem, target, {.workspace_budget = budget}, cache, {}).facts().workspace;
    };
    CHECK(least(std::int64_t{1} << 40) > std::int64_t{256} << 20);  // the heuristics' first
    CHECK(least(std::int64_t{256} << 20) <= std::int64_t{256} << 20);

    // What was chosen for another budget is not taken: a run's plans must not depend on what came before.
    PlanCache cache(cudnnGetVersion(), target.name());
    (void)find_plan(problem, target, {.workspace_budget = std::int64_t{1} << 40}, cache, {});
    CHECK(find_plan(problem, target, {}, cache, {}).facts().workspace <= std::int64_t{256} << 20);
}

TEST_CASE("a problem that has no code is told with all that it is") {
    const Target target(device_description("h200"));
    PlanCache cache(cudnnGetVersion(), target.name());
    Problem problem = small_problem();
    problem.geometry.bias = false, problem.geometry.relu = true;  // no ready code, and nothing compiles without a GPU
    try {
        (void)find_plan(problem, target, {}, cache, {});
        FAIL("there is a plan");
    } catch (const DeviceError& error) {
        CHECK(std::string(error.what()).find(to_string(problem)) != std::string::npos);
        CHECK(std::string(error.what()).find("NVIDIA H200") != std::string::npos);
    }
}
