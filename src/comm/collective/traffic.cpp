// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/traffic.hpp"

#include <algorithm>

namespace firecaffe::comm {

std::uint64_t busiest_elements(const Plan& plan, std::size_t count) {
    std::uint64_t most = 0;
    for (const std::vector<Step>& steps : plan.steps) {
        std::uint64_t moved = 0;
        for (const Step& step : steps)
            if (!step.local()) moved += step.what().size(count);
        most = std::max(most, moved);
    }
    return most;
}

}  // namespace firecaffe::comm
