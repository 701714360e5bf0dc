// SPDX-License-Identifier: Apache-2.0
// Which plan is taken: rules on plain data.
#include "backend/cuda/dnn/choice.hpp"

#include <vector>

#include "catch.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;

namespace {

CandidateFacts needing(std::int64_t workspace, std::optional<double> milliseconds = {}) {
    CandidateFacts facts;
    facts.workspace = workspace;
    facts.milliseconds = milliseconds;
    return facts;
}

Problem asking(DType dtype, MathMode math, bool deterministic) {
    Problem problem;
    problem.dtype = dtype, problem.math = math, problem.deterministic = deterministic;
    return problem;
}

}  // namespace

TEST_CASE("only engines that repeat their bits are allowed where bits are to repeat") {
    CandidateFacts facts;
    facts.nondeterministic = true;
    CHECK_FALSE(is_allowed(facts, asking(DType::float32, MathMode::exact, true)));
    CHECK(is_allowed(facts, asking(DType::float32, MathMode::exact, false)));
}

TEST_CASE("exact float is not rounded before it is multiplied; tf32 is, and bfloat16 has one way") {
    CandidateFacts cores;
    cores.tensor_cores = true;
    CandidateFacts rounding;
    rounding.rounds_inputs = true;
    for (const CandidateFacts& facts : {cores, rounding}) {
        CHECK_FALSE(is_allowed(facts, asking(DType::float32, MathMode::exact, true)));
        CHECK(is_allowed(facts, asking(DType::float32, MathMode::tf32, true)));
        CHECK(is_allowed(facts, asking(DType::bfloat16, MathMode::exact, true)));
    }
    CHECK(is_allowed({}, asking(DType::float32, MathMode::exact, true)));
}

TEST_CASE("sums in fewer bits than float are never allowed") {
    CandidateFacts facts;
    facts.rounds_sums = true;
    CHECK_FALSE(is_allowed(facts, asking(DType::float16, MathMode::exact, false)));
    CHECK_FALSE(is_allowed(facts, asking(DType::float32, MathMode::tf32, false)));
}

TEST_CASE("the first within the budget is taken, or the fastest where some were measured") {
    CHECK(choose(std::vector<CandidateFacts>{}, 100) == std::nullopt);
    CHECK(choose(std::vector{needing(200), needing(50), needing(0)}, 100) == 1U);
    CHECK(choose(std::vector{needing(100), needing(0)}, 100) == 0U);
    CHECK(choose(std::vector{needing(0, 3.0), needing(0, 2.0), needing(200, 1.0), needing(0)}, 100) == 1U);
    CHECK(choose(std::vector{needing(0), needing(0, 5.0)}, 100) == 1U);
    CHECK(choose(std::vector{needing(0, 2.0), needing(0, 2.0)}, 100) == 0U);
}

TEST_CASE("where nothing is within the budget, what needs least is taken") {
    CHECK(choose(std::vector{needing(300), needing(200), needing(200), needing(400, 1.0)}, 100) == 1U);
}

TEST_CASE("candidates are measured in turns, the shortest time counts, and one that fails has none") {
    std::vector<CandidateFacts> facts(3);
    std::vector<std::size_t> order;
    const std::vector<double> first{9, 5, 7}, later{4, 6, 7};
    measure(facts, 2, [&](std::size_t i) {
        order.push_back(i);
        if (i == 2 && order.size() > 3) throw DeviceError("out of memory");
        return order.size() <= 3 ? first[i] : later[i];
    });
    CHECK(order == std::vector<std::size_t>{0, 1, 2, 0, 1, 2});
    CHECK(facts[0].milliseconds == 4.0);
    CHECK(facts[1].milliseconds == 5.0);
    CHECK_FALSE(facts[2].milliseconds);
}

TEST_CASE("one that has failed is not run again") {
    std::vector<CandidateFacts> facts(1);
    int runs = 0;
    measure(facts, 5, [&](std::size_t) -> double {
        ++runs;
        throw DeviceError("no");
    });
    CHECK(runs == 1);
}
