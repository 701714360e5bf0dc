// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/ring.hpp"

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {

Plan plan_ring(int ranks, int shards) {
    Plan plan = plan_inputs("ring", ranks, shards);
    if (ranks == 1) return plan;
    plan.canonical = ranks == 2 && plan.inputs == std::vector<int>{1, 1};
    plan.parts = ranks;
    write_own_sums(plan);
    // Rank r passes part r + first - k on in round k.
    const auto pass_around = [&](int first, Step::Kind kind) {
        for (int k = 0; k < ranks - 1; ++k, ++plan.rounds) {
            // The last rank's message comes first, so that each rank but rank 0 sends before it waits.
            for (Rank from = ranks - 1; from >= 0; --from) {
                const int part = (from + first - k + 2 * ranks) % ranks;
                write(plan, {.from = from, .to = (from + 1) % ranks, .kind = kind, .part = {part, ranks}}, plan.rounds);
            }
        }
    };
    pass_around(-1, Step::Kind::receive_add);
    pass_around(0, Step::Kind::receive);
    return plan;
}

}  // namespace firecaffe::comm
