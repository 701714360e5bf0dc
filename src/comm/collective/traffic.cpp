// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/traffic.hpp"

#include <algorithm>

namespace firecaffe::comm {

namespace {

/// Of all ranks; `times` says how often the elements of a step count.
template <class Times>
std::uint64_t busiest(const Plan& plan, std::size_t count, Times times) {
    std::uint64_t most = 0;
    for (const std::vector<Step>& steps : plan.steps) {
        std::uint64_t elements = 0;
        for (const Step& step : steps) elements += static_cast<std::uint64_t>(times(step)) * step.what().size(count);
        most = std::max(most, elements);
    }
    return most;
}

int moves(const Step& step) {
    return step.local() ? 0 : 1;
}

}  // namespace

std::uint64_t busiest_elements(const Plan& plan, std::size_t count) {
    return busiest(plan, count, moves);
}

std::uint64_t most_handled(const Plan& plan, std::size_t count) {
    return busiest(plan, count, [](const Step& step) {
        const bool adds = step.kind == Step::Kind::receive_add || step.kind == Step::Kind::add;
        return moves(step) + (adds ? 1 : 0);
    });
}

}  // namespace firecaffe::comm
