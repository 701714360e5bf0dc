// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/buckets.hpp"

namespace firecaffe {

std::vector<Bucket> plan_buckets(const ArenaLayout& layout, std::size_t tail, std::size_t element_bytes,
                                 std::size_t bucket_bytes, bool tail_apart) {
    std::vector<Bucket> buckets{{0, 0}};
    const auto& parameters = layout.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const bool last = i + 1 == parameters.size();
        buckets.back().end = last ? layout.size() : parameters[i + 1].offset;
        if (!last && buckets.back().count() * element_bytes >= bucket_bytes)
            buckets.push_back({buckets.back().end, buckets.back().end});
    }
    if (tail_apart && tail > 0) buckets.push_back({layout.size(), layout.size()});
    buckets.back().end = layout.size() + tail;
    return buckets;
}

}  // namespace firecaffe
