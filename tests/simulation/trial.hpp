// SPDX-License-Identifier: Apache-2.0
// Trial: runs a scenario in one thread and judges what came of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace simulation {

struct TrialReport {
    std::vector<std::string> violations;  ///< empty: all is as it must be
    std::string story;                    ///< what became of each rank, a line each
    std::uint64_t trace = 0;              ///< a hash of all events
    std::uint64_t events = 0;
    bool struck = false;           ///< the fault came before the end
    int finished = 0, failed = 0;  ///< ranks
};

TrialReport run_trial(const Scenario& scenario);

}  // namespace simulation
