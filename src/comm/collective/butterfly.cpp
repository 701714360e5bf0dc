// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/butterfly.hpp"

namespace firecaffe::comm {

bool Butterfly::keeps_order(int shards) const {
    for (Rank rank = 0; rank < ranks_; ++rank) {
        if (!is_node(shard_block(rank, ranks_, shards), shards)) return false;
    }
    // Numbers n..n+2^level-1 have met after `level` rounds; with level 0, those folded together.
    for (int level = 0; level <= levels_; ++level) {
        for (int n = 0; n < size(); n += 1 << level) {
            const int next = n + (1 << level);
            const Rank last = next == size() ? ranks_ - 1 : rank_of(next) - 1;
            const ShardBlock met{shard_block(rank_of(n), ranks_, shards).begin, shard_block(last, ranks_, shards).end};
            if (!is_node(met, shards)) return false;
        }
    }
    return true;
}

void Butterfly::fold(Plan& plan) const {
    if (folded_ == 0) return;
    for (int n = 0; n < folded_; ++n)
        write(plan, {.from = folded_into(n), .to = rank_of(n), .kind = Step::Kind::receive_add}, plan.rounds);
    ++plan.rounds;
}

void Butterfly::unfold(Plan& plan) const {
    if (folded_ == 0) return;
    for (int n = 0; n < folded_; ++n) write(plan, {.from = rank_of(n), .to = folded_into(n)}, plan.rounds);
    ++plan.rounds;
}

}  // namespace firecaffe::comm
