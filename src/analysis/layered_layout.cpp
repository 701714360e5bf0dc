// SPDX-License-Identifier: Apache-2.0
#include "analysis/layered_layout.hpp"

#include <algorithm>
#include <numeric>

namespace firecaffe::analysis {

namespace {

constexpr double kBetweenBoxes = 18, kBetweenRanks = 38, kLane = 12, kPort = 16;
constexpr int kSweeps = 200;

/// A box, or a lane for an edge that passes a rank.
struct Item {
    int rank = 0, box = -1;
    double width = 0, centre = 0;
    std::vector<int> above, below;  ///< items of the neighbouring ranks
};

class Layout {
  public:
    Layout(std::vector<DrawnBox>& boxes, std::vector<DrawnEdge>& edges) : boxes_(boxes), edges_(edges) {}

    DrawnPoint run() {
        make_items();
        order_ranks();
        for (int sweep = 0; sweep < kSweeps; ++sweep) {
            for (std::size_t r = 0; r < ranks_.size(); ++r) place(ranks_[sweep % 2 == 0 ? r : ranks_.size() - 1 - r]);
            straighten();
        }
        return finish();
    }

  private:
    using Rank = std::vector<int>;
    Item& item(int i) { return items_[static_cast<std::size_t>(i)]; }
    DrawnBox& box(int i) { return boxes_[static_cast<std::size_t>(i)]; }

    void make_items() {
        for (std::size_t i = 0; i < boxes_.size(); ++i) {
            Item of_box;
            of_box.box = static_cast<int>(i);
            of_box.width = boxes_[i].width + kBetweenBoxes;
            items_.push_back(of_box);
        }
        std::vector<const DrawnEdge*> by_target;
        for (const DrawnEdge& edge : edges_) by_target.push_back(&edge);
        std::stable_sort(by_target.begin(), by_target.end(), [](auto* a, auto* b) { return a->to < b->to; });
        for (const DrawnEdge* edge : by_target)
            item(edge->to).rank = std::max(item(edge->to).rank, item(edge->from).rank + 1);
        for (const DrawnEdge& edge : edges_) {
            std::vector<int> chain{edge.from};
            for (int rank = item(edge.from).rank + 1; rank < item(edge.to).rank; ++rank) {
                Item lane;
                lane.rank = rank;
                lane.width = kLane;
                chain.push_back(static_cast<int>(items_.size()));
                items_.push_back(lane);
            }
            chain.push_back(edge.to);
            for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
                item(chain[i]).below.push_back(chain[i + 1]);
                item(chain[i + 1]).above.push_back(chain[i]);
            }
            chains_.push_back(std::move(chain));
        }
        for (const Item& each : items_)
            if (static_cast<std::size_t>(each.rank) >= ranks_.size())
                ranks_.resize(static_cast<std::size_t>(each.rank) + 1);
    }

    /// Depth first, so that what belongs to one branch stays side by side in the order in which the net states it.
    void visit(int i, std::vector<char>& seen) {
        std::vector<int> stack{i};
        while (!stack.empty()) {
            const int at = stack.back();
            stack.pop_back();
            if (seen[static_cast<std::size_t>(at)]) continue;
            seen[static_cast<std::size_t>(at)] = 1;
            ranks_[static_cast<std::size_t>(item(at).rank)].push_back(at);
            stack.insert(stack.end(), item(at).below.rbegin(), item(at).below.rend());
        }
    }

    void order_ranks() {
        std::vector<char> seen(items_.size());
        for (int i = 0; i < static_cast<int>(items_.size()); ++i)
            if (item(i).rank == 0) visit(i, seen);
        number();
        std::vector<Rank> best = ranks_;
        long fewest = crossings();
        for (int sweep = 0; sweep < 24 && fewest > 0; ++sweep) {
            const bool down = sweep % 2 == 0;
            for (std::size_t r = 0; r < ranks_.size(); ++r) sort_rank(ranks_[down ? r : ranks_.size() - 1 - r], down);
            const long now = crossings();
            if (now < fewest) {
                fewest = now;
                best = ranks_;
            }
        }
        ranks_ = std::move(best);
        number();
    }

    void number() {
        position_.resize(items_.size());
        for (const Rank& rank : ranks_)
            for (std::size_t i = 0; i < rank.size(); ++i)
                position_[static_cast<std::size_t>(rank[i])] = static_cast<double>(i);
    }
    double position(int i) const { return position_[static_cast<std::size_t>(i)]; }

    void sort_rank(Rank& rank, bool down) {
        std::vector<std::pair<double, int>> keyed;
        for (const int i : rank) {
            const std::vector<int>& neighbours = down ? item(i).above : item(i).below;
            double mean = 0;
            for (const int n : neighbours) mean += position(n);
            keyed.emplace_back(neighbours.empty() ? position(i) : mean / static_cast<double>(neighbours.size()), i);
        }
        std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (std::size_t i = 0; i < rank.size(); ++i) {
            rank[i] = keyed[i].second;
            position_[static_cast<std::size_t>(rank[i])] = static_cast<double>(i);
        }
    }

    long crossings() {
        long count = 0;
        for (const Rank& rank : ranks_) {
            std::vector<std::pair<double, double>> lines;
            for (const int i : rank)
                for (const int j : item(i).below) lines.emplace_back(position(i), position(j));
            for (std::size_t a = 0; a < lines.size(); ++a)
                for (std::size_t b = a + 1; b < lines.size(); ++b)
                    count += (lines[a].first - lines[b].first) * (lines[a].second - lines[b].second) < 0;
        }
        return count;
    }

    /// Least squares under the order of the rank: with distances taken off, a monotone regression, which pooling
    /// adjacent violators solves exactly.
    void place(const Rank& rank) {
        struct Pool {
            double sum, weight;
            std::size_t count;
            double mean() const { return sum / weight; }
        };
        std::vector<Pool> pools;
        std::vector<double> offsets;
        double offset = 0;
        for (std::size_t i = 0; i < rank.size(); ++i) {
            if (i > 0) offset += (item(rank[i - 1]).width + item(rank[i]).width) / 2;
            offsets.push_back(offset);
            const std::size_t neighbours =
                std::max<std::size_t>(item(rank[i]).above.size() + item(rank[i]).below.size(), 1);
            const double weight = static_cast<double>(neighbours) * (item(rank[i]).box < 0 ? 4 : 1);  // straight lanes
            pools.push_back({(wish(item(rank[i])) - offset) * weight, weight, 1});
            while (pools.size() > 1 && pools[pools.size() - 2].mean() > pools.back().mean()) {
                const Pool last = pools.back();
                pools.pop_back();
                pools.back().sum += last.sum;
                pools.back().weight += last.weight;
                pools.back().count += last.count;
            }
        }
        std::size_t i = 0;
        for (const Pool& pool : pools)
            for (std::size_t k = 0; k < pool.count; ++k, ++i) item(rank[i]).centre = pool.mean() + offsets[i];
    }

    /// In the middle of its neighbours an item stands best.
    double wish(const Item& of) {
        double sum = 0;
        for (const auto* neighbours : {&of.above, &of.below})
            for (const int n : *neighbours) sum += item(n).centre;
        const std::size_t count = of.above.size() + of.below.size();
        return count == 0 ? of.centre : sum / static_cast<double>(count);
    }

    /// Moves everything below a rank so that the edges that cross there lean to neither side on average; for all ranks.
    /// (A rank by itself cannot do that, because its neighbours hold it where it is.)
    void straighten() {
        double shift = 0;
        for (std::size_t r = 0; r + 1 < ranks_.size(); ++r) {
            double lean = 0;
            std::size_t count = 0;
            for (const int i : ranks_[r]) {
                for (const int n : item(i).below) lean += item(i).centre - item(n).centre, ++count;
                item(i).centre += shift;
            }
            if (count > 0) shift += lean / static_cast<double>(count);
        }
        for (const int i : ranks_.back()) item(i).centre += shift;
    }

    /// Where edge `e` leaves (enters) its box: several share the side, in the order of where they go (come from).
    double port(std::size_t e, bool leaves) {
        const auto other_end = [&](std::size_t i) {
            const std::vector<int>& chain = chains_[i];
            return item(leaves ? chain[1] : chain[chain.size() - 2]).centre;
        };
        const int at = leaves ? edges_[e].from : edges_[e].to;
        std::size_t before = 0, all = 0;
        for (std::size_t i = 0; i < edges_.size(); ++i) {
            if ((leaves ? edges_[i].from : edges_[i].to) != at) continue;
            ++all;
            before += other_end(i) < other_end(e) || (other_end(i) == other_end(e) && i < e);
        }
        const double step = std::min(kPort, (box(at).width - kPort) / static_cast<double>(all));
        return item(at).centre + (static_cast<double>(before) - static_cast<double>(all - 1) / 2) * step;
    }

    DrawnPoint finish() {
        double left = items_[0].centre, right = left;
        for (const Item& each : items_) {
            left = std::min(left, each.centre - each.width / 2);
            right = std::max(right, each.centre + each.width / 2);
        }
        std::vector<double> tops, bottoms;
        double y = 0;
        for (const Rank& rank : ranks_) {
            double height = 0;
            for (const int i : rank)
                if (item(i).box >= 0) height = std::max(height, box(item(i).box).height);
            tops.push_back(y);
            bottoms.push_back(y + height);
            y += height + kBetweenRanks;
        }
        for (Item& each : items_) {
            each.centre -= left;
            if (each.box >= 0)
                box(each.box).corner = {each.centre - box(each.box).width / 2,
                                        tops[static_cast<std::size_t>(each.rank)]};
        }
        for (std::size_t e = 0; e < edges_.size(); ++e) {
            const std::vector<int>& chain = chains_[e];
            const DrawnBox& from = box(edges_[e].from);
            double x = port(e, true);
            std::vector<DrawnPoint> route{{x, from.corner.y + from.height}};
            for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
                const auto rank = static_cast<std::size_t>(item(chain[i]).rank);
                route.push_back({x, bottoms[rank]});
                x = i + 2 == chain.size() ? port(e, false) : item(chain[i + 1]).centre;
                route.push_back({x, tops[rank + 1]});
            }
            edges_[e].route = std::move(route);
        }
        return {right - left, y - kBetweenRanks};
    }

    std::vector<DrawnBox>& boxes_;
    std::vector<DrawnEdge>& edges_;
    std::vector<Item> items_;
    std::vector<Rank> ranks_;
    std::vector<std::vector<int>> chains_;  ///< items along each edge
    std::vector<double> position_;
};

}  // namespace

DrawnPoint lay_out(std::vector<DrawnBox>& boxes, std::vector<DrawnEdge>& edges) {
    if (boxes.empty()) return {};
    return Layout(boxes, edges).run();
}

}  // namespace firecaffe::analysis
