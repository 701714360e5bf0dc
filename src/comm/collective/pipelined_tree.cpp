// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/pipelined_tree.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "comm/collective/planning.hpp"

namespace firecaffe::comm {
namespace {

// A part of a node's value, and where it lies.
struct Piece {
    Part part;
    Rank rank = -1;
    int slot = -1;
};
using Value = std::vector<Piece>;  // in order; the parts make up everything

Part half_of(const Part& part, int which) {
    return {2 * part.part + which, 2 * part.parts};
}

class TreePlanner {
  public:
    TreePlanner(int ranks, int shards)
        : plan_(plan_inputs("pipelined_tree", ranks, shards)),
          shards_(shards),
          values_(static_cast<std::size_t>(shards)),
          owners_(static_cast<std::size_t>(shards)) {
        while (finest_ < ranks) finest_ *= 2;
    }

    Plan run() && {
        plan_.canonical = true;
        place_inputs();
        for (int level = 1; level <= shard_root(shards_).level; ++level) plan_up(level);
        plan_.parts = cut_;
        plan_down();
        plan_idle_ranks();
        return std::move(plan_);
    }

  private:
    // The value of a node is kept at its first shard.
    Value& value_at(int shard) { return values_[static_cast<std::size_t>(shard)]; }
    Rank owner(int shard) const { return owners_[static_cast<std::size_t>(shard)]; }

    void place_inputs() {
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            const ShardBlock block = shard_block(rank, plan_.ranks, shards_);
            for (int s = block.begin; s < block.end; ++s) owners_[static_cast<std::size_t>(s)] = rank;
            int slot = 0;
            for (const ShardNode& node : maximal_nodes(block, shards_)) value_at(node.begin()) = {{{}, rank, slot++}};
        }
    }

    void plan_up(int level) {
        ups_.emplace_back();
        for (int index = 0; ShardNode{level, index}.begin() < shards_; ++index) {
            const ShardNode node{level, index};
            const ShardNode right{level - 1, 2 * index + 1};
            if (right.begin() >= shards_) continue;                             // nothing to add
            if (owner(node.begin()) == owner(node.end(shards_) - 1)) continue;  // the owner of both has their sum
            value_at(node.begin()) = join(value_at(node.begin()), value_at(right.begin()));
        }
        if (ups_.back().empty())
            ups_.pop_back();
        else
            ++plan_.rounds;
    }

    // The sum of two values, piece by piece of the finer one.
    Value join(const Value& left, const Value& right) {
        Value sum;
        for (std::size_t l = 0, r = 0; l < left.size() && r < right.size();) {
            const int parts = std::max(left[l].part.parts, right[r].part.parts);
            const bool left_is_finer = left[l].part.parts == parts;
            const Part part = left_is_finer ? left[l].part : right[r].part;
            join(part, left[l], right[r], sum);
            if (ends_with(left[l].part, part)) ++l;
            if (ends_with(right[r].part, part)) ++r;
        }
        return sum;
    }

    static bool ends_with(const Part& whole, const Part& part) {
        return (whole.part + 1) * (part.parts / whole.parts) == part.part + 1;
    }

    void join(const Part& part, const Piece& left, const Piece& right, Value& sum) {
        if (left.rank == right.rank) {
            const auto [kept, other] = right.slot == 0 ? std::pair(right, left) : std::pair(left, right);
            steps_of(plan_, left.rank)
                .push_back({.kind = Step::Kind::add,
                            .slot = kept.slot,
                            .other = other.slot,
                            .round = plan_.rounds,
                            .part = part.part,
                            .parts = part.parts});
            sum.push_back({part, kept.rank, kept.slot});
        } else if (left.slot == 0 && right.slot == 0 && part.parts < finest_) {
            form(half_of(part, 0), left, right, sum);
            form(half_of(part, 1), right, left, sum);
        } else {
            const bool at_right = right.slot == 0 && left.slot != 0;
            at_right ? form(part, right, left, sum) : form(part, left, right, sum);
        }
    }

    // `at` forms this part; it needs the other's.
    void form(const Part& part, const Piece& at, const Piece& other, Value& sum) {
        const Message message{.from = other.rank,
                              .to = at.rank,
                              .kind = Step::Kind::receive_add,
                              .part = part,
                              .from_slot = other.slot,
                              .to_slot = at.slot};
        write(plan_, message, plan_.rounds);
        ups_.back().push_back(message);
        cut_ = std::max(cut_, part.parts);
        sum.push_back({part, at.rank, at.slot});
    }

    // Whoever gave a part away gets its sum from where it went, but for what it has already.
    void plan_down() {
        has_.assign(static_cast<std::size_t>(plan_.ranks), std::vector<bool>(static_cast<std::size_t>(cut_)));
        for (const Piece& piece : value_at(0)) mark(piece.rank, piece.part);
        for (auto round = ups_.rbegin(); round != ups_.rend(); ++round) {
            bool busy = false;
            for (const Message& up : *round) busy = give_back(up.to, up.from, up.part) || busy;
            if (busy) ++plan_.rounds;
        }
    }

    bool give_back(Rank from, Rank to, const Part& part) {
        const auto held = count_held(to, part);
        if (held == cut_ / part.parts) return false;
        if (held > 0) {
            const bool first = give_back(from, to, half_of(part, 0));
            return give_back(from, to, half_of(part, 1)) || first;
        }
        write(plan_, {.from = from, .to = to, .part = part}, plan_.rounds);
        mark(to, part);
        return true;
    }

    void mark(Rank rank, const Part& part) {
        const int share = cut_ / part.parts;
        std::fill_n(has_[static_cast<std::size_t>(rank)].begin() + part.part * share, share, true);
    }
    int count_held(Rank rank, const Part& part) const {
        const int share = cut_ / part.parts;
        const auto first = has_[static_cast<std::size_t>(rank)].begin() + part.part * share;
        return static_cast<int>(std::count(first, first + share, true));
    }

    void plan_idle_ranks() {
        std::vector<Rank> order;
        for (const bool idle : {false, true})
            for (Rank rank = 0; rank < plan_.ranks; ++rank)
                if ((inputs_of(plan_, rank) == 0) == idle) order.push_back(rank);
        const auto busy =
            static_cast<std::size_t>(std::ranges::count_if(plan_.inputs, [](int inputs) { return inputs > 0; }));
        for (std::size_t have = busy; have < order.size(); have *= 2, ++plan_.rounds)
            for (std::size_t i = have; i < std::min(2 * have, order.size()); ++i)
                write(plan_, {.from = order[i - have], .to = order[i]}, plan_.rounds);
    }

    Plan plan_;
    const int shards_;
    std::vector<Value> values_;              // by first shard
    std::vector<Rank> owners_;               // by shard
    int finest_ = 1;                         // parts that a piece is cut into at most
    int cut_ = 1;                            // parts that the finest piece was cut into
    std::vector<std::vector<Message>> ups_;  // by round
    std::vector<std::vector<bool>> has_;     // by rank and finest part: its sum lies in slot 0
};

}  // namespace

Plan plan_pipelined_tree(int ranks, int shards) {
    return TreePlanner(ranks, shards).run();
}

}  // namespace firecaffe::comm
