// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/simulate.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

constexpr int kNothing = -1;

// Sums as numbers: equal expressions have equal numbers. Leaves come first, in the order of rank and slot.
class Expressions {
  public:
    explicit Expressions(int leaves) {
        for (int leaf = 0; leaf < leaves; ++leaf) leaves_.push_back({leaf});
    }
    int sum(int left, int right) {
        const auto [found, fresh] = numbers_.try_emplace({left, right}, static_cast<int>(leaves_.size()));
        if (fresh) {
            std::vector<int> both = leaves_[static_cast<std::size_t>(left)];
            const std::vector<int>& more = leaves_[static_cast<std::size_t>(right)];
            both.insert(both.end(), more.begin(), more.end());
            leaves_.push_back(std::move(both));
        }
        return found->second;
    }
    // The leaves, from left to right.
    const std::vector<int>& leaves(int expression) const { return leaves_[static_cast<std::size_t>(expression)]; }

  private:
    std::map<std::pair<int, int>, int> numbers_;
    std::vector<std::vector<int>> leaves_;
};

// One grain of one slot: the finest part that any step of the plan moves.
struct Cell {
    int value = kNothing;
    int written_in = -1;
    int read_in = -1;
};

class Simulation {
  public:
    Simulation(const Plan& plan, std::size_t count, DType dtype)
        : plan_(plan), count_(count), dtype_(dtype), at_(index(plan.ranks), 0) {
        check_shape();
        first_leaf_.resize(plan.inputs.size());
        std::exclusive_scan(plan.inputs.begin(), plan.inputs.end(), first_leaf_.begin(), 0);
        leaves_ = std::accumulate(plan.inputs.begin(), plan.inputs.end(), 0);
        expressions_ = Expressions(leaves_);
        for (Rank rank = 0; rank < plan.ranks; ++rank) {
            slots_.emplace_back(index(plan.slots(rank)), std::vector<Cell>(index(grains_)));
            for (int slot = 0; slot < plan.inputs[index(rank)]; ++slot) {
                for (Cell& cell : slots_.back()[index(slot)]) cell.value = first_leaf_[index(rank)] + slot;
            }
        }
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
        report_.rounds = static_cast<int>(rounds_.size());
        return report_;
    }

  private:
    static std::size_t index(int i) { return static_cast<std::size_t>(i); }
    bool done(Rank rank) const { return at_[index(rank)] == plan_.steps[index(rank)].size(); }
    const Step& next(Rank rank) const { return plan_.steps[index(rank)][at_[index(rank)]]; }

    [[noreturn]] void fail(Rank rank, const std::string& what) const {
        static constexpr const char* kNames[] = {"send", "receive", "receive_add", "add"};
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
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            std::size_t& at = at_[index(rank)];
            for (int round = 0; !done(rank); ++at) {
                const Step& step = next(rank);
                const bool moves = step.kind != Step::Kind::add;
                if (moves && (step.peer < 0 || step.peer >= plan_.ranks || step.peer == rank))
                    fail(rank, "no such peer");
                if (step.slot < 0 || step.slot >= plan_.slots(rank)) fail(rank, "no such slot");
                if (!moves && (step.other < 0 || step.other >= plan_.slots(rank) || step.other == step.slot)) {
                    fail(rank, "no such other slot");
                }
                if (step.parts < 1 || step.part < 0 || step.part >= step.parts) fail(rank, "no such part");
                if (step.round < round || step.round >= plan_.rounds) {
                    fail(rank, text("round comes after ", round, " of ", plan_.rounds));
                }
                round = step.round;
                grains_ = std::lcm(grains_, step.parts);
            }
            at = 0;
        }
    }

    // Runs every step that can run now; false if there was none.
    bool advance() {
        bool moved = false;
        for (Rank rank = 0; rank < plan_.ranks; ++rank) {
            while (!done(rank)) {
                const Step& step = next(rank);
                if (step.kind == Step::Kind::add) {
                    add(rank, step.slot, read(rank, step, step.other), step);
                } else if (step.kind == Step::Kind::send && receiver_is_ready(rank, step)) {
                    transfer(rank, step);
                    ++at_[index(step.peer)];
                } else {
                    break;  // a receive is run by its sender
                }
                rounds_.insert(step.round);
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
        const std::vector<int> values = read(rank, step, step.slot);
        const Step& target = next(step.peer);
        if (target.kind == Step::Kind::receive_add) {
            add(step.peer, target.slot, values, target);
        } else {
            write(step.peer, target.slot, values, target);
        }
    }

    std::pair<int, int> grains_of(const Step& step) const {
        const int each = grains_ / step.parts;
        return {step.part * each, (step.part + 1) * each};
    }

    std::vector<int> read(Rank rank, const Step& step, int slot) {
        std::vector<int> values;
        const auto [begin, end] = grains_of(step);
        for (int g = begin; g < end; ++g) {
            Cell& cell = slots_[index(rank)][index(slot)][index(g)];
            if (cell.value == kNothing) fail(rank, text("slot ", slot, " is empty"));
            if (cell.written_in == step.round) fail(rank, text("slot ", slot, " was written in the same round"));
            cell.read_in = step.round;
            values.push_back(cell.value);
        }
        return values;
    }

    void write(Rank rank, int slot, const std::vector<int>& values, const Step& step) {
        const int begin = grains_of(step).first;
        for (std::size_t i = 0; i < values.size(); ++i) {
            Cell& cell = slots_[index(rank)][index(slot)][index(begin) + i];
            if (cell.written_in == step.round || cell.read_in == step.round) {
                fail(rank, text("slot ", slot, " was used in the same round"));
            }
            cell.written_in = step.round;
            cell.value = values[i];
        }
    }

    void add(Rank rank, int slot, std::vector<int> incoming, const Step& step) {
        const int begin = grains_of(step).first;
        for (std::size_t i = 0; i < incoming.size(); ++i) {
            const Cell& cell = slots_[index(rank)][index(slot)][index(begin) + i];
            if (cell.value == kNothing) fail(rank, text("slot ", slot, " is empty"));
            incoming[i] = expressions_.sum(cell.value, incoming[i]);
        }
        write(rank, slot, incoming, step);
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
            std::vector<int> leaves = expressions_.leaves(value);
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
    int grains_ = 1;
    int leaves_ = 0;
    std::vector<std::size_t> at_;  // per rank: its next step
    std::vector<int> first_leaf_;
    Expressions expressions_{0};
    std::vector<std::vector<std::vector<Cell>>> slots_;  // [rank][slot][grain]
    std::set<int> rounds_;
    PlanReport report_;
};

}  // namespace

PlanReport simulate(const Plan& plan, int shards, std::size_t count, DType dtype) {
    return Simulation(plan, count, dtype).run(shards);
}

}  // namespace firecaffe::comm
