// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/collective/shard_tree.hpp"

#include "firecaffe/core/error.hpp"

namespace firecaffe {

ShardBlock shard_block(int rank, int ranks, int shards) {
    if (shards <= 0) throw UsageError("shard_block: ", shards, " shards; give at least 1");
    if (rank < 0 || rank >= ranks) {
        throw UsageError("shard_block: rank ", rank, " of ", ranks, "; give 0 <= rank < ranks");
    }
    const auto edge = [&](std::int64_t r) { return static_cast<int>(r * shards / ranks); };
    return {edge(rank), edge(rank + std::int64_t{1})};
}

ShardNode shard_root(int shards) {
    if (shards <= 0) throw UsageError("shard_root: ", shards, " shards; give at least 1");
    ShardNode root;
    while ((std::int64_t{1} << root.level) < shards) ++root.level;
    return root;
}

std::vector<ShardNode> maximal_nodes(const ShardBlock& block, int shards) {
    if (block.begin < 0 || block.begin > block.end || block.end > shards) {
        throw UsageError("maximal_nodes: block [", block.begin, ",", block.end, ") does not lie in [0,", shards, ")");
    }
    std::vector<ShardNode> nodes;
    if (block.empty()) return nodes;
    const int top = shard_root(shards).level;
    for (int next = block.begin; next < block.end; next = nodes.back().end(shards)) {
        ShardNode node{0, next};
        while (node.level < top) {
            const ShardNode parent{node.level + 1, node.index / 2};
            if (parent.begin() != next || parent.end(shards) > block.end) break;
            node = parent;
        }
        nodes.push_back(node);
    }
    return nodes;
}

}  // namespace firecaffe
