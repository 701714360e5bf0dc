// SPDX-License-Identifier: Apache-2.0
// Sums of a few figures over the ranks, beside the gradients.
#include <algorithm>

#include "firecaffe/device/copy.hpp"
#include "firecaffe/device/stream.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {

std::vector<int> contributing_ranks(int ranks, int shards) {
    std::vector<int> contributing;
    for (int rank = 0; rank < ranks; ++rank)
        if (!shard_block(rank, ranks, shards).empty()) contributing.push_back(rank);
    return contributing;
}

namespace {

template <class T>
void sum(Reducer& reducer, std::uint32_t bucket, std::size_t count, std::span<std::byte* const> partials) {
    ReduceRequest request;
    request.bucket = bucket;
    request.dtype = dtype_of<T>;
    request.count = count;
    request.partials = partials;
    reducer.sum(request);
}

/// The values go to the GPU and come back.
template <class T>
void sum_on_gpu(Reducer& reducer, std::size_t parts, std::uint32_t bucket, std::span<T> values) {
    std::vector<Memory<Cuda>> memory;  // zeros
    std::vector<std::byte*> partials;
    for (std::size_t i = 0; i < parts; ++i) {
        memory.push_back(reducer.allocate_on_gpu(values.size_bytes()));
        partials.push_back(memory.back().data());
    }
    copy_bytes(values.data(), Cpu{}, partials[0], Cuda{}, values.size_bytes());
    wait_for_current_stream();
    sum<T>(reducer, bucket, values.size(), partials);
    copy_bytes(partials[0], Cuda{}, values.data(), Cpu{}, values.size_bytes());
    wait_for_current_stream();
}

}  // namespace

template <class T>
void sum_over_ranks(Reducer& reducer, int shards, std::uint32_t bucket, std::span<T> values) {
    const std::size_t parts =
        std::max<std::size_t>(maximal_nodes(shard_block(reducer.rank(), reducer.size(), shards), shards).size(), 1);
    if (reducer.on_gpu()) return sum_on_gpu(reducer, parts, bucket, values);
    std::vector<std::vector<T>> zeros(parts - 1, std::vector<T>(values.size()));
    std::vector<std::byte*> partials{reinterpret_cast<std::byte*>(values.data())};
    for (auto& z : zeros) partials.push_back(reinterpret_cast<std::byte*>(z.data()));
    sum<T>(reducer, bucket, values.size(), partials);
}

template void sum_over_ranks(Reducer&, int, std::uint32_t, std::span<float>);
template void sum_over_ranks(Reducer&, int, std::uint32_t, std::span<double>);

}  // namespace firecaffe
