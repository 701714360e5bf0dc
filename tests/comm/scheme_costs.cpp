// SPDX-License-Identifier: Apache-2.0
#include "scheme_costs.hpp"

#include <algorithm>
#include <stdexcept>

#include "firecaffe/comm/collective/shard_tree.hpp"

using firecaffe::maximal_nodes;
using firecaffe::shard_block;
using firecaffe::ShardBlock;

namespace {

std::size_t at(int i) {
    return static_cast<std::size_t>(i);
}

int ceil_log2(int n) {
    int levels = 0;
    while ((1 << levels) < n) ++levels;
    return levels;
}

struct Case {
    int p, v;
    std::uint64_t n;
    std::vector<int> inputs{};  // m(r)

    // Where part q of k begins, and how many elements it has.
    std::uint64_t edge(int q, int k) const {
        const auto parts = static_cast<std::uint64_t>(k);
        return (static_cast<std::uint64_t>(q) * n + parts - 1) / parts;
    }
    std::uint64_t size(int q, int k) const { return edge(q + 1, k) - edge(q, k); }
    std::uint64_t m(int r) const { return static_cast<std::uint64_t>(inputs[at(r)]); }
};

// k servers, server s being rank floor(s p / k).
SchemeCosts servers(const Case& c, int k) {
    SchemeCosts costs;
    std::vector<std::uint64_t> own(at(c.p), 0);
    for (int s = 0; s < k; ++s) own[at(s * c.p / k)] = c.size(s, k);
    for (int r = 0; r < c.p; ++r)
        costs.elements_sent.push_back(c.m(r) * (c.n - own[at(r)]) + static_cast<std::uint64_t>(c.p - 1) * own[at(r)]);
    for (int t = 1; t < c.p; ++t) {
        int most = 0;
        for (int s = 0; s < k; ++s) most = std::max(most, c.inputs[at((s * c.p / k + t) % c.p)]);
        costs.rounds += most + 1;
    }
    return costs;
}

// One partial sum each: rank r sends once up, and down to r + 2^i for each i with 2^i below its lowest one.
SchemeCosts tree(const Case& c) {
    SchemeCosts costs{.rounds = 2 * ceil_log2(c.p)};
    for (int r = 0; r < c.p; ++r) {
        int sends = r > 0 ? 1 : 0;
        for (int d = 1; r + d < c.p && r % (2 * d) == 0; d *= 2) ++sends;
        costs.elements_sent.push_back(c.n * static_cast<std::uint64_t>(sends));
    }
    return costs;
}

// A part of a sum, in units of 1/2^ceil_log2(p), and the rank that has it.
struct Held {
    int low, high, rank;
};

// One partial sum each. Two subtrees meet in each part of the more finely cut one: of what the two ranks there have,
// each sends half on the way up and the other half on the way down.
std::vector<Held> meet(const Case& c, int first, int size, std::vector<std::uint64_t>& sent) {
    const int all = 1 << ceil_log2(c.p), half = size / 2;
    if (size == 1) return {{0, all, first}};
    const std::vector<Held> left = meet(c, first, half, sent);
    if (first + half >= c.p) return left;
    const std::vector<Held> right = meet(c, first + half, half, sent);
    std::vector<Held> both;
    for (const Held& l : left) {
        for (const Held& r : right) {
            const int low = std::max(l.low, r.low), high = std::min(l.high, r.high), middle = (low + high) / 2;
            if (low >= high) continue;
            for (const int rank : {l.rank, r.rank}) sent[at(rank)] += c.edge(high, all) - c.edge(low, all);
            both.push_back({low, middle, l.rank});
            both.push_back({middle, high, r.rank});
        }
    }
    return both;
}

SchemeCosts pipelined_tree(const Case& c) {
    SchemeCosts costs{.rounds = 2 * ceil_log2(c.p)};
    costs.elements_sent.resize(at(c.p));
    meet(c, 0, 1 << ceil_log2(c.p), costs.elements_sent);
    return costs;
}

// Counts the neighbours of each position of the symmetric tree over [first, first + size).
void count_neighbours(int first, int size, std::vector<int>& neighbours) {
    if (size == 0) return;
    int left = 1;
    while (2 * left <= size) left *= 2;
    --left;
    const int top = first + left, right = size - left - 1;
    ++neighbours[at(top)];  // its parent
    neighbours[at(top)] += (left > 0 ? 1 : 0) + (right > 0 ? 1 : 0);
    count_neighbours(first, left, neighbours);
    count_neighbours(top + 1, right, neighbours);
}

SchemeCosts double_tree(const Case& c) {
    SchemeCosts costs;
    costs.elements_sent.resize(at(c.p));
    if (c.p == 1) return costs;
    const bool power = (c.p & (c.p - 1)) == 0;
    costs.rounds = power ? 4 * ceil_log2(c.p) - 2 : 4 * ceil_log2(c.p) - 4;
    std::vector<int> neighbours(at(c.p), 0);
    neighbours[0] = 1;
    count_neighbours(1, c.p - 1, neighbours);
    for (int i = 0; i < c.p; ++i) {
        const auto edges = static_cast<std::uint64_t>(neighbours[at(i)]);
        const int second = c.p % 2 == 0 ? c.p - 1 - i : (i + 1) % c.p;
        costs.elements_sent[at(i)] += edges * c.size(0, 2);
        costs.elements_sent[at(second)] += edges * c.size(1, 2);
    }
    return costs;
}

SchemeCosts ring(const Case& c) {
    SchemeCosts costs{.rounds = 2 * (c.p - 1)};
    for (int r = 0; r < c.p; ++r) costs.elements_sent.push_back(2 * c.n - c.size(r, c.p) - c.size((r + 1) % c.p, c.p));
    return costs;
}

SchemeCosts halving_doubling(const Case& c) {
    int k = 0;
    while ((2 << k) <= c.p) ++k;
    const int core = 1 << k, folded = c.p - core;
    SchemeCosts costs{.rounds = 2 * k + (folded > 0 ? 2 : 0)};
    costs.elements_sent.assign(at(c.p), c.n);  // a folded rank, once
    for (int number = 0; number < core; ++number) {
        int low = 0, high = core;  // what it holds, in parts
        std::uint64_t sent = number < folded ? c.n : 0;
        for (int j = 0; j < k; ++j) {
            sent += c.edge(high, core) - c.edge(low, core);  // half is sent at once, the other half on the way back
            const int middle = (low + high) / 2;
            (number >> j & 1 ? low : high) = middle;
        }
        costs.elements_sent[at(number < folded ? 2 * number : number + folded)] = sent;
    }
    return costs;
}

SchemeCosts recursive_doubling(const Case& c) {
    int k = 0;
    while ((2 << k) <= c.p) ++k;
    const int core = 1 << k, folded = c.p - core;
    SchemeCosts costs{.rounds = k + (folded > 0 ? 3 : 0)};
    costs.elements_sent.assign(at(c.p), c.n);  // a folded rank, once
    for (int number = 0; number < core; ++number) {
        const int partner = number ^ (core / 2), told = (number < folded ? 1 : 0) + (partner < folded ? 1 : 0);
        costs.elements_sent[at(number < folded ? 2 * number : number + folded)] =
            static_cast<std::uint64_t>(k + told) * c.n;
    }
    return costs;
}

// Hosts of g ranks, the last one of s; lane l of a host is the work of its local rank l mod s.
SchemeCosts two_level(const Case& c, int ranks_per_host) {
    const int g = std::min(ranks_per_host, c.p), hosts = (c.p + g - 1) / g, s = c.p - (hosts - 1) * g;
    const int turns = (g + s - 1) / s;
    SchemeCosts costs;
    costs.elements_sent.resize(at(c.p));
    std::vector<int> nodes;  // of a host's block
    for (int h = 0; h < hosts; ++h) {
        const int last = std::min((h + 1) * g, c.p) - 1;
        const ShardBlock block{shard_block(h * g, c.p, c.v).begin, shard_block(last, c.p, c.v).end};
        nodes.push_back(static_cast<int>(maximal_nodes(block, c.v).size()));
    }
    for (int r = 0; r < c.p; ++r) {
        const int h = r / g, size = h == hosts - 1 ? s : g;
        std::uint64_t& sent = costs.elements_sent[at(r)];
        std::uint64_t lanes = 0;
        for (int l = r % g; l < g; l += size) {
            const std::uint64_t lane = c.edge((l + 1) * hosts, g * hosts) - c.edge(l * hosts, g * hosts);
            const std::uint64_t share = c.size(l * hosts + h, g * hosts);
            sent += static_cast<std::uint64_t>(nodes[at(h)]) * (lane - share);
            sent += static_cast<std::uint64_t>(hosts - 1) * share;
            sent += static_cast<std::uint64_t>(size - 1) * lane;
            lanes += lane;
        }
        if (size > 1) sent += c.m(r) * (c.n - lanes);
    }

    for (int t = 1; t < g; ++t) {  // within hosts: a smaller one takes several turns
        for (int turn = 0; turn < turns; ++turn) {
            int most = 0, any = 0;
            for (int h = 0; h < hosts; ++h) {
                const int size = h == hosts - 1 ? s : g;
                for (int l = turn * size; l < std::min(g, (turn + 1) * size) && t < size; ++l, any = 1)
                    most = std::max(most, c.inputs[at(h * g + (l % size + t) % size)]);
            }
            costs.rounds += most + any;
        }
    }
    for (int t = 1; t < hosts; ++t) {  // between hosts: so do the pairs with the smaller one
        for (int turn = 0; turn < turns; ++turn) {
            int most = 0;
            for (int h = 0; h < hosts; ++h) {
                const int from = (h + t) % hosts;
                if (turn == 0 || h == hosts - 1 || from == hosts - 1) most = std::max(most, nodes[at(from)]);
            }
            costs.rounds += most + 1;
        }
    }
    return costs;
}

}  // namespace

bool has_formula(const std::string& scheme, int ranks, int shards) {
    const bool tree = scheme == "tree" || scheme == "pipelined_tree";
    return !tree || (shards % ranks == 0 && (shards / ranks & (shards / ranks - 1)) == 0);
}

SchemeCosts costs_of(const std::string& scheme, int ranks, int shards, const firecaffe::comm::SchemeOptions& options,
                     std::size_t count) {
    Case c{.p = ranks, .v = shards, .n = count};
    for (int r = 0; r < ranks; ++r)
        c.inputs.push_back(static_cast<int>(maximal_nodes(shard_block(r, ranks, shards), shards).size()));
    if (scheme == "star") return servers(c, 1);
    if (scheme == "sharded_server") return servers(c, options.servers == 0 ? ranks : options.servers);
    if (scheme == "tree") return tree(c);
    if (scheme == "pipelined_tree") return pipelined_tree(c);
    if (scheme == "double_tree") return double_tree(c);
    if (scheme == "ring") return ring(c);
    if (scheme == "halving_doubling") return halving_doubling(c);
    if (scheme == "recursive_doubling") return recursive_doubling(c);
    if (scheme == "direct") return servers(c, ranks);
    if (scheme == "two_level") return two_level(c, options.ranks_per_host);
    throw std::invalid_argument("no formula for " + scheme);
}
