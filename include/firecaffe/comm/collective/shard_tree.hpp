// SPDX-License-Identifier: Apache-2.0
// The canonical tree over logical shards: the definition of "the sum over a global batch".
//
// Node (level, index) covers shards [index * 2^level, (index+1) * 2^level) cut off at `shards`; its value is left
// child + right child, or the left child alone where the right one is empty. Floating-point addition is not
// associative, so this fixes the bits of the sum, for any number of workers. Worker r of p owns the block
// [floor(r*V/p), floor((r+1)*V/p)); p may exceed V, then some blocks are empty.
#pragma once

#include <cstdint>
#include <vector>

namespace firecaffe {

struct ShardNode {
    int level = 0;
    int index = 0;

    int begin() const { return static_cast<int>(static_cast<std::int64_t>(index) << level); }
    int end(int shards) const {
        const std::int64_t nominal = (static_cast<std::int64_t>(index) + 1) << level;
        return nominal < shards ? static_cast<int>(nominal) : shards;
    }
    friend bool operator==(const ShardNode&, const ShardNode&) = default;
};

struct ShardBlock {
    int begin = 0, end = 0;
    int size() const { return end - begin; }
    bool empty() const { return begin == end; }
    friend bool operator==(const ShardBlock&, const ShardBlock&) = default;
};

/// The shards of worker `rank` of `ranks`. Throws UsageError unless 0 <= rank < ranks and shards > 0.
ShardBlock shard_block(int rank, int ranks, int shards);

/// The root of the tree over `shards` shards. Throws UsageError unless shards > 0.
ShardNode shard_root(int shards);

/// The maximal nodes that lie inside the block, left to right: the partial sums that its owner can form alone. A node
/// at the right edge whose right child is empty counts as its (cut off) self, at the highest level that lies inside.
/// Empty for an empty block. Throws UsageError unless the block lies in [0, shards).
std::vector<ShardNode> maximal_nodes(const ShardBlock& block, int shards);

}  // namespace firecaffe
