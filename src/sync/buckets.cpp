// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/buckets.hpp"

#include <algorithm>

namespace firecaffe {

std::vector<Bucket> plan_buckets(const ArenaLayout& layout, std::size_t tail, std::size_t element_bytes,
                                 std::size_t bucket_bytes, bool rounded_gradients, std::span<const std::size_t> alone) {
    std::vector<Bucket> buckets{{}};
    const auto is_alone = [&](std::size_t i) { return std::ranges::binary_search(alone, i); };
    const auto open = [&](std::size_t begin) { buckets.push_back({.begin = begin, .end = begin}); };
    const auto& parameters = layout.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const bool last = i + 1 == parameters.size();
        buckets.back().end = last ? layout.size() : parameters[i + 1].offset;
        buckets.back().exact = !rounded_gradients || parameters[i].is_statistic();
        const Shape& shape = parameters[i].shape;
        if (shape.rank() > 1 && !parameters[i].is_statistic() && parameters[i].count > 0) {
            const auto rows = static_cast<std::size_t>(shape[0]);
            buckets.back().matrices.push_back(
                {parameters[i].offset - buckets.back().begin, rows, parameters[i].count / rows});
        }
        if (is_alone(i)) buckets.back().alone = i;
        if (last) break;
        const bool full = buckets.back().count() * element_bytes >= bucket_bytes;
        const bool other = parameters[i].is_statistic() != parameters[i + 1].is_statistic();
        if (full || (rounded_gradients && other) || is_alone(i) || is_alone(i + 1)) open(buckets.back().end);
    }
    if (tail > 0 && (!buckets.back().exact || buckets.back().alone)) open(layout.size());
    buckets.back().end = layout.size() + tail;
    return buckets;
}

}  // namespace firecaffe
