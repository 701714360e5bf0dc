// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/two_level.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "comm/collective/partial_sums.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {
namespace {

// A lane is one of the g parts that a host divides the request into; lane l is served by local rank l of each host, or,
// on a smaller last host of s ranks, by local rank l % s, in its turn l / s.
class TwoLevel {
  public:
    TwoLevel(int ranks, int shards, int ranks_per_host)
        : plan_(plan_inputs("two_level", ranks, shards)),
          shards_(shards),
          lanes_(std::min(ranks_per_host, ranks)),
          hosts_((ranks + lanes_ - 1) / lanes_) {
        plan_.canonical = true;
        plan_.parts = lanes_ * hosts_;
        for (int h = 0; h < hosts_; ++h) {
            for (int lane = 0; lane < lanes_; ++lane)
                sums_.emplace_back(plan_, server(h, lane), shards, Part{lane, lanes_});
        }
    }

    Plan make() {
        gather_in_hosts();
        gather_between_hosts();
        spread_between_hosts();
        spread_in_hosts();
        return std::move(plan_);
    }

  private:
    int size(int host) const { return std::min(lanes_, plan_.ranks - host * lanes_); }
    int turn(int host, int lane) const { return lane / size(host); }
    int turns() const { return turn(hosts_ - 1, lanes_ - 1) + 1; }
    Rank server(int host, int lane) const { return host * lanes_ + lane % size(host); }
    Part share(int host, int lane) const { return {lane * hosts_ + host, lanes_ * hosts_}; }
    PartialSums& sums(int host, int lane) { return sums_[static_cast<std::size_t>(host * lanes_ + lane)]; }

    // The lanes in which this server's host and another exchange something in this turn.
    template <class Body>
    void for_lanes(int host, int other, int wanted, const Body& body) {
        for (int lane = 0; lane < lanes_; ++lane) {
            if (std::max(turn(host, lane), turn(other, lane)) == wanted) body(lane);
        }
    }

    // A rank may serve several lanes and bring several sums; what it is sent by one peer comes one after the other.
    void gather_in_hosts() {
        for (int t = 1; t < lanes_; ++t) {
            for (int wanted = 0; wanted < turns(); ++wanted) {
                write_rounds([&](int i) {
                    bool busy = false;
                    for (int h = 0; h < hosts_; ++h) {
                        if (t >= size(h)) continue;
                        for_lanes(h, h, wanted, [&](int lane) {
                            const Rank from = h * lanes_ + (lane % size(h) + t) % size(h);
                            const auto nodes = maximal_nodes(shard_block(from, plan_.ranks, shards_), shards_);
                            if (i >= inputs_of(plan_, from)) return;
                            sums(h, lane).receive(plan_, from, {nodes[static_cast<std::size_t>(i)], i}, plan_.rounds);
                            busy = true;
                        });
                    }
                    return busy;
                });
            }
        }
    }

    void gather_between_hosts() {
        if (hosts_ == 1) return;
        const std::vector<PartialSums> of_hosts = sums_;
        for (int h = 0; h < hosts_; ++h) {
            for (int lane = 0; lane < lanes_; ++lane) sums(h, lane) = sums(h, lane).only(share(h, lane));
        }
        for_pairs_of_hosts([&](int h, int other, int wanted, int i) {
            bool busy = false;
            for_lanes(h, other, wanted, [&](int lane) {
                const PartialSums& theirs = of_hosts[static_cast<std::size_t>(other * lanes_ + lane)];
                if (i >= static_cast<int>(theirs.held().size())) return;
                sums(h, lane).receive(plan_, theirs.rank(), theirs.held()[static_cast<std::size_t>(i)], plan_.rounds);
                busy = true;
            });
            return busy;
        });
    }

    void spread_between_hosts() {
        for_pairs_of_hosts([&](int h, int other, int wanted, int i) {
            bool busy = false;
            for_lanes(h, other, wanted, [&](int lane) {
                if (i > 0) return;
                write(plan_, {.from = server(h, lane), .to = server(other, lane), .part = share(h, lane)},
                      plan_.rounds);
                busy = true;
            });
            return busy;
        });
    }

    void spread_in_hosts() {
        for (int t = 1; t < lanes_; ++t) {
            for (int wanted = 0; wanted < turns(); ++wanted) {
                bool busy = false;
                for (int h = 0; h < hosts_; ++h) {
                    if (t >= size(h)) continue;
                    for_lanes(h, h, wanted, [&](int lane) {
                        const Rank to = h * lanes_ + (lane % size(h) + t) % size(h);
                        write(plan_, {.from = server(h, lane), .to = to, .part = {lane, lanes_}}, plan_.rounds);
                        busy = true;
                    });
                }
                plan_.rounds += busy ? 1 : 0;
            }
        }
    }

    // Writes messages number 0, 1, ... of a sequence, a round each, until there are none.
    template <class Body>
    void write_rounds(const Body& messages) {
        for (int i = 0; messages(i); ++i) ++plan_.rounds;
    }

    template <class Body>
    void for_pairs_of_hosts(const Body& messages) {
        for (int t = 1; t < hosts_; ++t) {
            for (int wanted = 0; wanted < turns(); ++wanted) {
                write_rounds([&](int i) {
                    bool busy = false;
                    for (int h = 0; h < hosts_; ++h) busy |= messages(h, (h + t) % hosts_, wanted, i);
                    return busy;
                });
            }
        }
    }

    Plan plan_;
    int shards_;
    int lanes_;
    int hosts_;
    std::vector<PartialSums> sums_;  // [host * lanes + lane]
};

}  // namespace

Plan plan_two_level(int ranks, int shards, int ranks_per_host) {
    if (ranks_per_host < 1) {
        throw UsageError("plan 'two_level': ", ranks_per_host, " ranks per host; give at least 1");
    }
    return TwoLevel(ranks, shards, ranks_per_host).make();
}

}  // namespace firecaffe::comm
