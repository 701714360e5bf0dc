// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/halving_doubling.hpp"

#include "comm/collective/butterfly.hpp"

namespace firecaffe::comm {
namespace {

// The part that a number holds when it has sent away `level` halves.
Part part_of(int number, int level) {
    Part part;
    for (int j = 0; j < level; ++j) part = {2 * part.part + (number >> j & 1), 2 * part.parts};
    return part;
}

}  // namespace

Plan plan_halving_doubling(int ranks, int shards) {
    Plan plan = plan_inputs("halving_doubling", ranks, shards);
    if (ranks == 1) return plan;
    const Butterfly butterfly(ranks);
    plan.canonical = butterfly.keeps_order(shards);
    plan.parts = butterfly.size();
    write_own_sums(plan);
    butterfly.fold(plan);
    const auto send = [&](int from, int to, Step::Kind kind, const Part& part) {
        const Message message{.from = butterfly.rank_of(from), .to = butterfly.rank_of(to), .kind = kind, .part = part};
        write(plan, message, plan.rounds);
    };
    for (int j = 0; j < butterfly.levels(); ++j) {
        butterfly.exchange(
            plan, j, [&](int n, int partner) { send(n, partner, Step::Kind::receive_add, part_of(partner, j + 1)); });
    }
    for (int j = butterfly.levels() - 1; j >= 0; --j) {
        butterfly.exchange(plan, j,
                           [&](int n, int partner) { send(n, partner, Step::Kind::receive, part_of(n, j + 1)); });
    }
    butterfly.unfold(plan);
    return plan;
}

}  // namespace firecaffe::comm
