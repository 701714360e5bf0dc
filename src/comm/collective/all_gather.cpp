// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/all_gather.hpp"

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

Plan plan_all_gather(int ranks) {
    if (ranks < 1) throw UsageError("plan_all_gather: ", ranks, " ranks; give at least 1");
    Plan plan;
    plan.scheme = "all_gather";
    plan.ranks = ranks;
    plan.inputs.assign(static_cast<std::size_t>(ranks), 1);
    plan.steps.resize(static_cast<std::size_t>(ranks));
    plan.rounds = ranks - 1;
    plan.parts = ranks;
    const auto step = [&](Step::Kind kind, Rank peer, int round, int part) {
        return Step{.kind = kind, .peer = peer, .round = round, .part = part, .parts = ranks};
    };
    for (Rank rank = 0; rank < ranks; ++rank) {
        std::vector<Step>& steps = plan.steps[static_cast<std::size_t>(rank)];
        for (int t = 1; t < ranks; ++t) {
            const Rank to = (rank + t) % ranks, from = (rank - t + ranks) % ranks;
            steps.push_back(step(Step::Kind::send, to, t - 1, rank));
            steps.push_back(step(Step::Kind::receive, from, t - 1, from));
        }
    }
    return plan;
}

}  // namespace firecaffe::comm
