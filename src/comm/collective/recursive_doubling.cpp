// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/recursive_doubling.hpp"

#include "comm/collective/butterfly.hpp"

namespace firecaffe::comm {

Plan plan_recursive_doubling(int ranks, int shards) {
    Plan plan = plan_inputs("recursive_doubling", ranks, shards);
    if (ranks == 1) return plan;
    const Butterfly butterfly(ranks);
    plan.canonical = butterfly.keeps_order(shards);
    write_own_sums(plan);
    butterfly.fold(plan);
    plan.scratch.resize(static_cast<std::size_t>(ranks));
    for (int n = 0; n < butterfly.size(); ++n)
        plan.scratch[static_cast<std::size_t>(butterfly.rank_of(n))].push_back({});
    for (int j = 0; j < butterfly.levels(); ++j) {
        const int round = plan.rounds;
        // Beside the slot: what a rank sends must stay as it is until its partner has it.
        butterfly.exchange(plan, j, [&](int n, int partner) {
            const Rank to = butterfly.rank_of(partner);
            write(plan, {.from = butterfly.rank_of(n), .to = to, .to_slot = plan.slots(to)}, round);
        });
        for (int n = 0; n < butterfly.size(); ++n) {
            const Rank rank = butterfly.rank_of(n);
            steps_of(plan, rank).push_back({.kind = Step::Kind::add, .other = plan.slots(rank), .round = round});
        }
    }
    butterfly.unfold(plan);
    return plan;
}

}  // namespace firecaffe::comm
