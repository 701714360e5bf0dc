// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/recursive_doubling.hpp"

#include "comm/collective/butterfly.hpp"

namespace firecaffe::comm {
namespace {

class DoublingPlanner {
  public:
    DoublingPlanner(int ranks, int shards)
        : plan_(plan_inputs("recursive_doubling", ranks, shards)), shards_(shards), butterfly_(ranks) {}

    Plan run() && {
        plan_.canonical = butterfly_.keeps_order(shards_);
        plan_.scratch.assign(static_cast<std::size_t>(plan_.ranks), {Part{}});
        write_own_sums(plan_);
        butterfly_.fold(plan_);
        for (int level = 0; level < butterfly_.levels(); ++level) {
            const int round = plan_.rounds;
            butterfly_.exchange(plan_, level, [&](int n, int partner) {
                send(butterfly_.rank_of(n), butterfly_.rank_of(partner), beside(butterfly_.rank_of(partner)), round);
            });
            if (level + 1 == butterfly_.levels()) tell_folded_ranks(level);
            for (int n = 0; n < butterfly_.size(); ++n) add(butterfly_.rank_of(n));
        }
        for (int n = 0; n < butterfly_.folded(); ++n) add(butterfly_.folded_into(n));
        return std::move(plan_);
    }

  private:
    // A rank's own value must stay as it is until its partner has it, so what arrives is put beside it.
    int beside(Rank rank) const { return plan_.slots(rank); }

    // They get both terms of the last sums, and add them as all do. The sum itself would not do: a narrow type on the
    // wire rounds what is sent, and only who sends it would have it rounded.
    void tell_folded_ranks(int level) {
        if (butterfly_.folded() == 0) return;
        for (const bool of_partner : {false, true}) {
            for (int n = 0; n < butterfly_.folded(); ++n) {
                const Rank to = butterfly_.folded_into(n);
                const int from = of_partner ? n ^ (1 << level) : n;
                send(butterfly_.rank_of(from), to, of_partner ? beside(to) : 0, plan_.rounds);
            }
            ++plan_.rounds;
        }
    }

    void send(Rank from, Rank to, int to_slot, int round) {
        write(plan_, {.from = from, .to = to, .to_slot = to_slot}, round);
    }
    void add(Rank rank) {
        steps_of(plan_, rank).push_back({.kind = Step::Kind::add, .other = beside(rank), .round = plan_.rounds});
    }

    Plan plan_;
    const int shards_;
    const Butterfly butterfly_;
};

}  // namespace

Plan plan_recursive_doubling(int ranks, int shards) {
    if (ranks == 1) return plan_inputs("recursive_doubling", ranks, shards);
    return DoublingPlanner(ranks, shards).run();
}

}  // namespace firecaffe::comm
