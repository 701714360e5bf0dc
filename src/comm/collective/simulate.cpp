// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/simulate.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

constexpr int kNothing = -1;

// Sums as numbers: equal expressions have equal numbers, and so have a + b and b + a, which are the same bits. Leaves
// come first, in the order of rank and slot, then zero: -0 + 0 is 0, so a sum with it is another expression.
class Expressions {
  public:
    explicit Expressions(int leaves) : leaves_(leaves) {}
    int zero() const { return leaves_; }
    int sum(int left, int right) {
        if (left > right) std::swap(left, right);
        const auto next = leaves_ + 1 + static_cast<int>(sums_.size());
        const auto [found, fresh] = numbers_.try_emplace({left, right}, next);
        if (fresh) sums_.emplace_back(left, right);
        return found->second;
    }
    // Appends the leaves, in any order.
    void list_leaves(int expression, std::vector<int>& leaves) const {
        if (expression < leaves_) leaves.push_back(expression);
        if (expression <= leaves_) return;
        const auto [left, right] = sums_[static_cast<std::size_t>(expression - leaves_ - 1)];
        list_leaves(left, leaves);
        list_leaves(right, leaves);
    }

  private:
    int leaves_;
    std::vector<std::pair<int, int>> sums_;
    std::map<std::pair<int, int>, int> numbers_;
};

// One grain of one slot: the finest part that any step of the plan moves.
struct Cell {
    int value = kNothing;
    int written_in = -1;  // the last round of which a message is in the value
    int read_in = -1;     // the last round in which it was sent
};

class Simulation {
  public:
    Simulation(const Plan& plan, std::size_t count, DType dtype)
        : plan_(plan), count_(count), dtype_(dtype), grains_(plan.parts), at_(index(plan.ranks), 0) {
        check_shape();
        first_leaf_.resize(plan.inputs.size());
        std::exclusive_scan(plan.inputs.begin(), plan.inputs.end(), first_leaf_.begin(), 0);
        leaves_ = std::accumulate(plan.inputs.begin(), plan.inputs.end(), 0);
        expressions_ = Expressions(leaves_);
        for (Rank rank = 0; rank < plan.ranks; ++rank) {
            slots_.emplace_back(index(slots_of(rank)), std::vector<Cell>(index(grains_)));
            for (int slot = 0; slot < plan.inputs[index(rank)]; ++slot) {
                for (Cell& cell : slots_.back()[index(slot)]) cell.value = first_leaf_[index(rank)] + slot;
            }
        }
        busy_.resize(index(std::max(plan.rounds, 0)));
        report_.bytes_sent.resize(index(plan.ranks));
        report_.bytes_received.resize(index(plan.ranks));
    }

    PlanReport run(int shards) {
        while (advance()) {
        }
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            if (!done(rank)) fail(rank, "waits for ever: deadlock, or its peer has no matching step");
        }
        check_result(shards);
        report_.rounds = static_cast<int>(std::count(busy_.begin(), busy_.end(), true));
        return report_;
    }

  private:
    static std::size_t index(int i) { return static_cast<std::size_t>(i); }
    int slots_of(Rank rank) const { return plan_.slots(rank) + plan_.scratch_slots(rank); }
    bool done(Rank rank) const { return at_[index(rank)] == plan_.steps[index(rank)].size(); }
    const Step& next(Rank rank) const { return plan_.steps[index(rank)][at_[index(rank)]]; }

    [[noreturn]] void fail(Rank rank, const std::string& what) const {
        static constexpr const char* kNames[] = {"send", "receive", "receive_add", "add", "clear"};
        std::string place = "the end";
        if (!done(rank)) {
            const Step& step = next(rank);
            place = text("step ", at_[index(rank)], " (", kNames[static_cast<int>(step.kind)], " peer ", step.peer,
                         " slot ", step.slot, " other ", step.other, " part ", step.part, "/", step.parts, " round ",
                         step.round, ")");
        }
        throw UsageError("plan '", plan_.scheme, "' of ", plan_.ranks, " ranks: rank ", rank, " at ", place, ": ", what,
                         "; correct the planner");
    }

    void check_shape() {
        if (plan_.ranks < 1 || plan_.inputs.size() != index(plan_.ranks) || plan_.steps.size() != index(plan_.ranks)) {
            throw UsageError("plan '", plan_.scheme, "': ", plan_.ranks, " ranks, but inputs of ", plan_.inputs.size(),
                             " and steps of ", plan_.steps.size(), "; give one entry per rank");
        }
        if (!plan_.scratch.empty() && plan_.scratch.size() != index(plan_.ranks)) {
            throw UsageError("plan '", plan_.scheme, "': ", plan_.ranks, " ranks, but scratch of ",
                             plan_.scratch.size(), "; give one entry per rank, or none at all");
        }
        if (plan_.parts < 1) throw UsageError("plan '", plan_.scheme, "': ", plan_.parts, " parts; give at least 1");
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            for (int slot = 0; slot < slots_of(rank); ++slot) {
                if (!is_part(plan_.extent(rank, slot))) fail(rank, text("slot ", slot, " holds no part of the plan"));
            }
            std::size_t& at = at_[index(rank)];
            for (int round = 0; !done(rank); ++at) {
                check_step(rank, next(rank), round);
                round = next(rank).round;
            }
            at = 0;
        }
    }

    bool is_part(const Part& p) const {
        return p.parts >= 1 && p.part >= 0 && p.part < p.parts && plan_.parts % p.parts == 0;
    }

    void check_step(Rank rank, const Step& step, int round) const {
        if (!step.local() && (step.peer < 0 || step.peer >= plan_.ranks || step.peer == rank))
            fail(rank, "no such peer");
        if (step.slot < 0 || step.slot >= slots_of(rank)) fail(rank, "no such slot");
        const bool adds = step.kind == Step::Kind::add;
        if (adds && (step.other < 0 || step.other >= slots_of(rank) || step.other == step.slot))
            fail(rank, "no such other slot");
        if (!is_part(step.what())) fail(rank, text("no such part of a plan of ", plan_.parts, " parts"));
        if (!fits(rank, step, step.slot)) fail(rank, text("slot ", step.slot, " holds another part"));
        if (adds && !fits(rank, step, step.other)) fail(rank, text("slot ", step.other, " holds another part"));
        const int rounds = plan_.rounds + (step.local() ? 1 : 0);  // the last addition may come after all messages
        if (step.round < round || step.round >= rounds)
            fail(rank, text("round comes after ", round, " of ", plan_.rounds));
    }

    bool fits(Rank rank, const Step& step, int slot) const {
        const auto [begin, end] = grains_of(step.what());
        const auto [first, last] = grains_of(plan_.extent(rank, slot));
        return first <= begin && end <= last;
    }

    // Runs every step that can run now; false if there was none.
    bool advance() {
        bool moved = false;
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            while (!done(rank)) {
                const Step& step = next(rank);
                if (step.local()) {
                    run_local(rank, step);
                } else if (step.kind == Step::Kind::send && receiver_is_ready(rank, step)) {
                    transfer(rank, step);
                    ++at_[index(step.peer)];
                } else {
                    break;  // a receive is run by its sender
                }
                if (step.round < plan_.rounds) busy_[index(step.round)] = true;
                ++at_[index(rank)];
                moved = true;
            }
        }
        return moved;
    }

    bool receiver_is_ready(Rank rank, const Step& step) const {
        if (done(step.peer)) return false;
        const Step& other = next(step.peer);
        const bool receives = other.kind == Step::Kind::receive || other.kind == Step::Kind::receive_add;
        if (!receives || other.peer != rank) return false;
        if (other.part != step.part || other.parts != step.parts) fail(step.peer, "its sender sends another part");
        if (other.round != step.round) fail(step.peer, text("its sender sends in round ", step.round));
        return true;
    }

    void transfer(Rank rank, const Step& step) {
        const std::uint64_t bytes = (step.end(count_) - step.begin(count_)) * size_of(dtype_);
        report_.bytes_sent[index(rank)] += bytes;
        report_.bytes_received[index(step.peer)] += bytes;
        ++report_.messages;
        const std::vector<int> values = read(rank, step);
        const Step& target = next(step.peer);
        write(step.peer, target, values);
    }

    std::pair<int, int> grains_of(const Part& p) const {
        const int each = grains_ / p.parts;
        return {p.part * each, (p.part + 1) * each};
    }
    Cell& cell(Rank rank, int slot, int grain) { return slots_[index(rank)][index(slot)][index(grain)]; }

    std::vector<int> read(Rank rank, const Step& step) {
        std::vector<int> values;
        const auto [begin, end] = grains_of(step.what());
        for (int g = begin; g < end; ++g) {
            Cell& from = cell(rank, step.slot, g);
            if (from.value == kNothing) fail(rank, text("slot ", step.slot, " is empty"));
            if (from.written_in == step.round) fail(rank, text("slot ", step.slot, " was written in the same round"));
            from.read_in = step.round;
            values.push_back(from.value);
        }
        return values;
    }

    void write(Rank rank, const Step& step, const std::vector<int>& values) {
        const int begin = grains_of(step.what()).first;
        for (std::size_t i = 0; i < values.size(); ++i) {
            Cell& to = cell(rank, step.slot, begin + static_cast<int>(i));
            if (step.kind == Step::Kind::receive_add && to.value == kNothing)
                fail(rank, text("slot ", step.slot, " is empty"));
            if (to.written_in == step.round || to.read_in == step.round)
                fail(rank, text("slot ", step.slot, " was used in the same round"));
            to.written_in = step.round;
            to.value = step.kind == Step::Kind::receive_add ? expressions_.sum(to.value, values[i]) : values[i];
        }
    }

    void run_local(Rank rank, const Step& step) {
        const auto [begin, end] = grains_of(step.what());
        for (int g = begin; g < end; ++g) {
            Cell& to = cell(rank, step.slot, g);
            if (to.read_in == step.round) fail(rank, text("slot ", step.slot, " was used in the same round"));
            if (step.kind == Step::Kind::clear) {
                to.value = expressions_.zero();
                continue;
            }
            const Cell& from = cell(rank, step.other, g);
            if (to.value == kNothing) fail(rank, text("slot ", step.slot, " is empty"));
            if (from.value == kNothing) fail(rank, text("slot ", step.other, " is empty"));
            to.value = expressions_.sum(to.value, from.value);
            to.written_in = std::max(to.written_in, from.written_in);
        }
    }

    int canonical_value(const ShardNode& node, const std::map<std::pair<int, int>, int>& leaves, int shards) {
        const auto leaf = leaves.find({node.begin(), node.end(shards)});
        if (leaf != leaves.end()) return leaf->second;
        FIRECAFFE_INVARIANT(node.level > 0);
        const int left = canonical_value({node.level - 1, 2 * node.index}, leaves, shards);
        const ShardNode right{node.level - 1, 2 * node.index + 1};
        return right.begin() >= shards ? left : expressions_.sum(left, canonical_value(right, leaves, shards));
    }

    // kNothing if the ranks' inputs are not the maximal nodes of their blocks.
    int canonical_root(int shards) {
        std::map<std::pair<int, int>, int> leaves;
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            const auto nodes = maximal_nodes(shard_block(rank, plan_.ranks, shards), shards);
            if (nodes.size() != index(plan_.inputs[index(rank)])) return kNothing;
            int leaf = first_leaf_[index(rank)];
            for (const ShardNode& node : nodes) leaves[{node.begin(), node.end(shards)}] = leaf++;
        }
        return canonical_value(shard_root(shards), leaves, shards);
    }

    void check_result(int shards) {
        const int canonical = canonical_root(shards);
        report_.canonical = true;
        for (int g = 0; g < grains_; ++g) {
            const int value = slots_[0][0][index(g)].value;
            if (value == kNothing) fail(0, "slot 0 is empty");
            std::vector<int> leaves;
            expressions_.list_leaves(value, leaves);
            std::sort(leaves.begin(), leaves.end());
            std::vector<int> all(index(leaves_));
            std::iota(all.begin(), all.end(), 0);
            if (leaves != all)
                fail(0, text("the sum has ", leaves.size(), " terms, not each of ", leaves_, " inputs once"));
            for (Rank rank = 0; rank < plan_.ranks; ++rank) {
                if (slots_[index(rank)][0][index(g)].value != value) fail(rank, "slot 0 differs from that of rank 0");
            }
            report_.canonical = report_.canonical && value == canonical;
        }
        if (plan_.canonical && !report_.canonical) fail(0, "the sum is not the canonical tree, as the plan says");
    }

    const Plan& plan_;
    std::size_t count_;
    DType dtype_;
    int grains_;
    int leaves_ = 0;
    std::vector<std::size_t> at_;  // per rank: its next step
    std::vector<int> first_leaf_;
    Expressions expressions_{0};
    std::vector<std::vector<std::vector<Cell>>> slots_;  // [rank][slot][grain]
    std::vector<bool> busy_;                             // per round: something happens in it
    PlanReport report_;
};

}  // namespace

PlanReport simulate(const Plan& plan, int shards, std::size_t count, DType dtype) {
    return Simulation(plan, count, dtype).run(shards);
}

}  // namespace firecaffe::comm
