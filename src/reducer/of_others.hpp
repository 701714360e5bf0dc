// SPDX-License-Identifier: Apache-2.0
// What reducers over the collectives of other libraries have in common: those know neither shards nor partial sums.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// A rank's partial sums as one.
class OwnSum {
  public:
    /// Throws UsageError for shards < 1.
    OwnSum(int rank, int size, int shards) {
        const ShardBlock block = shard_block(rank, size, shards);
        nodes_ = block.empty() ? 0 : static_cast<int>(maximal_nodes(block, shards).size());
    }

    int partials() const { return std::max(nodes_, 1); }
    bool without_shards() const { return nodes_ == 0; }

    /// Adds up to partials[0]; of a rank without shards that is zeros.
    std::byte* add_up(const ReduceRequest& request) const {
        std::byte* const sum = request.partials[0];
        if (nodes_ == 0 && request.count > 0) std::memset(sum, 0, request.count * size_of(request.dtype));
        for (int i = 1; i < nodes_; ++i)
            comm::add_elements(request.dtype, sum, request.partials[static_cast<std::size_t>(i)], request.count);
        return sum;
    }

  private:
    int nodes_ = 0;  // of the canonical tree, that this rank brings
};

/// Throws UsageError unless `seconds` is a time that something may take.
inline void require_seconds(std::string_view key, double seconds) {
    if (!(seconds > 0 && seconds < 1e9))
        throw UsageError(key, " is ", seconds, "; give a positive number of seconds below 1e9");
}

}  // namespace firecaffe
