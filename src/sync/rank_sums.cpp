// SPDX-License-Identifier: Apache-2.0
// Sums of a few figures over the ranks, beside the gradients.
#include <algorithm>

#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {

std::vector<int> contributing_ranks(int ranks, int shards) {
    std::vector<int> contributing;
    for (int rank = 0; rank < ranks; ++rank)
        if (!shard_block(rank, ranks, shards).empty()) contributing.push_back(rank);
    return contributing;
}

template <class T>
void sum_over_ranks(Reducer& reducer, int shards, std::uint32_t bucket, std::span<T> values) {
    const std::size_t parts =
        std::max<std::size_t>(maximal_nodes(shard_block(reducer.rank(), reducer.size(), shards), shards).size(), 1);
    std::vector<std::vector<T>> zeros(parts - 1, std::vector<T>(values.size()));
    std::vector<std::byte*> partials{reinterpret_cast<std::byte*>(values.data())};
    for (auto& z : zeros) partials.push_back(reinterpret_cast<std::byte*>(z.data()));
    ReduceRequest request;
    request.bucket = bucket;
    request.dtype = dtype_of<T>;
    request.count = values.size();
    request.partials = partials;
    reducer.sum(request);
}

template void sum_over_ranks(Reducer&, int, std::uint32_t, std::span<float>);
template void sum_over_ranks(Reducer&, int, std::uint32_t, std::span<double>);

}  // namespace firecaffe
