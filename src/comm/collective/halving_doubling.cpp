// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/halving_doubling.hpp"

#include <vector>

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {
namespace {

// The ranks that are left after folding, by their new numbers.
struct Core {
    int levels = 0;
    int folded = 0;  // rank 2i + 1 is folded into rank 2i, for i < folded

    explicit Core(int ranks) {
        while ((2 << levels) <= ranks) ++levels;
        folded = ranks - size();
    }
    int size() const { return 1 << levels; }
    Rank rank_of(int number) const { return number < folded ? 2 * number : number + folded; }
};

// The part that a number holds when it has sent away `level` halves.
Part part_of(int number, int level) {
    Part part;
    for (int j = 0; j < level; ++j) part = {2 * part.part + (number >> j & 1), 2 * part.parts};
    return part;
}

bool keeps_order(const Core& core, int ranks, int shards) {
    for (Rank rank = 0; rank < ranks; ++rank) {
        if (!is_node(shard_block(rank, ranks, shards), shards)) return false;
    }
    // Numbers n..n+2^level-1 have met after `level` rounds; with level 0, those folded together.
    for (int level = 0; level <= core.levels; ++level) {
        for (int n = 0; n < core.size(); n += 1 << level) {
            const int next = n + (1 << level);
            const Rank last = next == core.size() ? ranks - 1 : core.rank_of(next) - 1;
            const ShardBlock met{shard_block(core.rank_of(n), ranks, shards).begin,
                                 shard_block(last, ranks, shards).end};
            if (!is_node(met, shards)) return false;
        }
    }
    return true;
}

// One round of both ways: every number sends its partner the part that `sent(number)` says.
template <class Sent>
void exchange(Plan& plan, const Core& core, int distance, Step::Kind kind, const Sent& sent) {
    for (int n = 0; n < core.size(); ++n) {
        const int partner = n ^ distance;
        write(plan, {.from = core.rank_of(n), .to = core.rank_of(partner), .kind = kind, .part = sent(n)}, plan.rounds);
    }
    ++plan.rounds;
}

void fold(Plan& plan, const Core& core, bool back) {
    if (core.folded == 0) return;
    for (int n = 0; n < core.folded; ++n) {
        const Rank kept = 2 * n, gone = 2 * n + 1;
        if (back) {
            write(plan, {.from = kept, .to = gone}, plan.rounds);
        } else {
            write(plan, {.from = gone, .to = kept, .kind = Step::Kind::receive_add}, plan.rounds);
        }
    }
    ++plan.rounds;
}

}  // namespace

Plan plan_halving_doubling(int ranks, int shards) {
    Plan plan = plan_inputs("halving_doubling", ranks, shards);
    if (ranks == 1) return plan;
    const Core core(ranks);
    plan.canonical = keeps_order(core, ranks, shards);
    plan.parts = core.size();
    write_own_sums(plan);
    fold(plan, core, false);
    for (int j = 0; j < core.levels; ++j) {
        const int distance = 1 << j;
        exchange(plan, core, distance, Step::Kind::receive_add, [&](int n) { return part_of(n ^ distance, j + 1); });
    }
    for (int j = core.levels - 1; j >= 0; --j)
        exchange(plan, core, 1 << j, Step::Kind::receive, [&](int n) { return part_of(n, j + 1); });
    fold(plan, core, true);
    return plan;
}

}  // namespace firecaffe::comm
