// SPDX-License-Identifier: Apache-2.0
// Many jobs, each with what a seed makes go wrong in it. To see one of them again:
//
//   FIRECAFFE_SIMULATION_SEED=4711 build/dev/tests/simulation/test_simulation "a seed again"
//
// FIRECAFFE_SIMULATION_SEEDS=1000000 runs that many; FIRECAFFE_SIMULATION_FIRST=... where they begin.
#include "catch.hpp"

#include <cstdlib>
#include <iostream>
#include <string>

#include "scenario.hpp"
#include "trial.hpp"

using namespace simulation;

namespace {

constexpr std::uint64_t kSeeds = 10'000;

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
    const char* value = std::getenv(variable);
    return value == nullptr ? otherwise : std::stoull(value);
}

// What went wrong, and how to see it again; empty: nothing.
std::string complaint(const Scenario& scenario, const TrialReport& report) {
    if (report.violations.empty()) return {};
    std::string words = to_string(scenario) + report.story;
    for (const std::string& violation : report.violations) words += "  VIOLATION: " + violation + "\n";
    return words + "  again: FIRECAFFE_SIMULATION_SEED=" + std::to_string(scenario.seed) +
           " test_simulation 'a seed again'\n";
}

}  // namespace

TEST_CASE("whatever a seed does to a job: the right sum for all, or the right rank named in time") {
    const std::uint64_t first = number("FIRECAFFE_SIMULATION_FIRST", 1),
                        count = number("FIRECAFFE_SIMULATION_SEEDS", kSeeds);
    std::uint64_t violated = 0, events = 0, struck = 0, finished = 0, failed = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const Scenario scenario = make_scenario(seed);
        const TrialReport report = run_trial(scenario);
        events += report.events;
        struck += report.struck ? 1 : 0;
        finished += static_cast<std::uint64_t>(report.finished);
        failed += static_cast<std::uint64_t>(report.failed);
        if (report.violations.empty()) continue;
        if (++violated <= 5) std::cout << complaint(scenario, report);
    }
    std::cout << count << " seeds, " << events << " events; " << struck << " jobs met a fault; " << finished
              << " ranks finished, " << failed << " failed as they should, " << violated << " seeds violated\n";
    CHECK(violated == 0);
    CHECK(struck > count / 2);
    CHECK(finished > count);
    CHECK(failed > count);
}

TEST_CASE("the same seed is the same run") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const TrialReport once = run_trial(make_scenario(seed)), again = run_trial(make_scenario(seed));
        REQUIRE(once.trace == again.trace);
        REQUIRE(once.story == again.story);
    }
}

TEST_CASE("a seed again", "[.]") {
    const Scenario scenario = make_scenario(number("FIRECAFFE_SIMULATION_SEED", 1));
    const TrialReport report = run_trial(scenario);
    std::cout << to_string(scenario) << report.story << "  " << report.events << " events\n";
    CHECK(complaint(scenario, report) == "");
}
