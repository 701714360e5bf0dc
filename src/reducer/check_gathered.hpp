// SPDX-License-Identifier: Apache-2.0
// What every reducer that gathers asks of a request that it is to gather.
#pragma once

#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// Throws UsageError unless it has one buffer, of as many equal parts as shards. Its gathered_shards are not 0.
inline void check_gathered(const ReduceRequest& request) {
    if (request.gathered_shards < 0 || request.partials.size() != 1 ||
        request.count % static_cast<std::size_t>(request.gathered_shards) != 0)
        throw UsageError("bucket ", request.bucket, ": ", request.partials.size(), " buffers of ", request.count,
                         " elements for the parts of ", request.gathered_shards,
                         " shards; give one buffer, at least one shard, and parts of one length");
}

}  // namespace firecaffe
