// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/gradient_exchange.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe {

namespace {

constexpr auto kArenaDeadline = std::chrono::minutes(10);

int log2_ceil(int n) {
    int log = 0;
    while ((1 << log) < n) ++log;
    return log;
}

/// The most complete subtrees that any prefix of the block falls into. As shards get arenas in ascending order, this many
/// are held when nobody computes; with one more for each thread, a thread that waits can count on those that compute.
std::size_t most_subtrees(const ShardBlock& block, int shards) {
    std::size_t most = 0;
    for (int end = block.begin + 1; end <= block.end; ++end)
        most = std::max(most, maximal_nodes({block.begin, end}, shards).size());
    return most;
}

}  // namespace

template <class T, class Device>
GradientExchange<T, Device>::GradientExchange(const ArenaLayout& layout, const ExchangeOptions& options,
                                              Reducer& reducer)
    : layout_(layout),
      options_(options),
      reducer_(reducer),
      block_(shard_block(reducer.rank(), reducer.size(), options.shards)),
      roots_(maximal_nodes(block_, options.shards)),
      buckets_(plan_buckets(layout, options.tail, sizeof(T), options.bucket_bytes)) {
    arena_count_ = std::min(static_cast<std::size_t>(std::max(block_.size(), 1)),
                            most_subtrees(block_, options.shards) + static_cast<std::size_t>(options.threads));
    std::size_t nodes = 0;
    for (int level = 0; level <= log2_ceil(options_.shards) + 1; ++level) {
        level_offsets_.push_back(nodes);
        nodes += static_cast<std::size_t>((options_.shards >> level) + 1);
    }
    const auto shards = static_cast<std::size_t>(block_.size());
    in_use_.resize(shards);
    buckets_absorbed_.resize(shards);
    pending_.resize(buckets_.size());
    for (Pending& p : pending_) p.ready.resize(nodes);
    partials_.resize(std::max<std::size_t>(roots_.size(), 1));
    free_.reserve(arena_count_);
}

template <class T, class Device>
GradientExchange<T, Device>::~GradientExchange() {
    if (waited_ >= next_submit_) return;
    reducer_.abort("its exchange of gradients ended in the middle of a step");
    for (std::size_t b = waited_; b < next_submit_; ++b) {
        try {
            reducer_.wait(pending_[b].ticket);
        } catch (...) {  // it has let go of the memory; more is not asked
        }
    }
}

template <class T, class Device>
std::size_t GradientExchange<T, Device>::node_number(const ShardNode& node) const {
    return level_offsets_[static_cast<std::size_t>(node.level)] + static_cast<std::size_t>(node.index);
}

template <class T, class Device>
void GradientExchange<T, Device>::begin_step(std::uint32_t step) {
    const std::lock_guard lock(mutex_);
    while (arenas_.size() < arena_count_) arenas_.emplace_back(layout_, options_.tail);
    step_ = step;
    next_submit_ = waited_ = 0;
    next_shard_ = block_.begin;
    for (Pending& p : pending_) {
        std::fill(p.ready.begin(), p.ready.end(), char{0});
        p.roots_ready = 0;
    }
    std::fill(buckets_absorbed_.begin(), buckets_absorbed_.end(), std::size_t{0});
    std::fill(in_use_.begin(), in_use_.end(), nullptr);
    free_.clear();
    for (Arena<T, Device>& arena : arenas_) free_.push_back(&arena);
    result_ = block_.empty() ? &arenas_.front() : nullptr;
}

template <class T, class Device>
typename GradientExchange<T, Device>::Lease GradientExchange<T, Device>::acquire(int shard) {
    FIRECAFFE_INVARIANT(shard >= block_.begin && shard < block_.end);
    std::unique_lock lock(mutex_);
    const auto its_turn = [&] { return failure_ != nullptr || (shard == next_shard_ && !free_.empty()); };
    if (!arena_free_.wait_for(lock, kArenaDeadline, its_turn))
        throw InternalError("no gradient memory became free for shard ", shard, " within ten minutes (next is shard ",
                            next_shard_, "); acquire shards in ascending order, once per step");
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    Arena<T, Device>* arena = free_.back();
    free_.pop_back();
    ++next_shard_;
    if (!free_.empty()) arena_free_.notify_all();
    in_use_[static_cast<std::size_t>(shard - block_.begin)] = arena;
    if (shard == block_.begin) result_ = arena;
    return Lease(*this, shard, *arena);
}

template <class T, class Device>
void GradientExchange<T, Device>::prefix_ready(Lease& lease, std::size_t prefix) {
    for (std::size_t& b = lease.next_bucket_; b < buckets_.size(); ++b) {
        const std::size_t gradients_end = buckets_[b].end - (b + 1 == buckets_.size() ? options_.tail : 0);
        if (gradients_end > prefix) return;
        complete(b, lease.shard_);
    }
}

/// Climbs from the leaf: where both children of a node are complete, whoever completed the second adds the right one to
/// the left one and goes on.
template <class T, class Device>
void GradientExchange<T, Device>::complete(std::size_t bucket, int shard) {
    const Bucket span = buckets_[bucket];
    Pending& pending = pending_[bucket];
    ShardNode node{0, shard};
    std::unique_lock lock(mutex_);
    for (;;) {
        pending.ready[node_number(node)] = 1;
        if (std::find(roots_.begin(), roots_.end(), node) != roots_.end()) {
            ++pending.roots_ready;
            if (options_.overlap) submit_ready(false);
            return;
        }
        const ShardNode left{node.level, node.index & ~1}, right{node.level, node.index | 1};
        if (exists(right)) {
            if (!pending.ready[node_number(left)] || !pending.ready[node_number(right)]) return;
            T* sum = arena_of(left.begin()).data() + span.begin;
            const T* part = arena_of(right.begin()).data() + span.begin;
            lock.unlock();
            ops::accumulate<T, Device>({part, span.count()}, {sum, span.count()});
            lock.lock();
            const auto absorbed = static_cast<std::size_t>(right.begin() - block_.begin);
            if (++buckets_absorbed_[absorbed] == buckets_.size()) {
                free_.push_back(in_use_[absorbed]);
                arena_free_.notify_all();
            }
        }
        node = {node.level + 1, node.index / 2};
    }
}

template <class T, class Device>
void GradientExchange<T, Device>::submit_ready(bool everything) {
    const auto roots = static_cast<int>(roots_.size());
    for (; next_submit_ < buckets_.size(); ++next_submit_) {
        Pending& pending = pending_[next_submit_];
        if (pending.roots_ready < roots) {
            FIRECAFFE_INVARIANT(!everything);
            return;
        }
        const Bucket span = buckets_[next_submit_];
        if (roots_.empty()) partials_[0] = reinterpret_cast<std::byte*>(result_->data() + span.begin);
        for (std::size_t r = 0; r < roots_.size(); ++r)
            partials_[r] = reinterpret_cast<std::byte*>(arena_of(roots_[r].begin()).data() + span.begin);
        ReduceRequest request;
        request.bucket = static_cast<std::uint32_t>(next_submit_);
        request.step = step_;
        request.dtype = dtype_of<T>;
        request.count = span.count();
        request.partials = partials_;
        pending.ticket = reducer_.submit(request);
    }
}

template <class T, class Device>
void GradientExchange<T, Device>::finish_compute() {
    const std::lock_guard lock(mutex_);
    submit_ready(true);
}

template <class T, class Device>
std::span<const T> GradientExchange<T, Device>::wait(std::size_t bucket) {
    const auto start = std::chrono::steady_clock::now();
    reducer_.wait(pending_[bucket].ticket);
    exposed_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    waited_ = std::max(waited_, bucket + 1);
    return {result_->data(), result_->extent()};
}

template <class T, class Device>
std::span<const T> GradientExchange<T, Device>::tail() const {
    return result_->tail();
}

template <class T, class Device>
void GradientExchange<T, Device>::fail(std::exception_ptr cause) {
    const std::lock_guard lock(mutex_);
    if (failure_ == nullptr) failure_ = std::move(cause);
    arena_free_.notify_all();
}

template <class T, class Device>
std::size_t GradientExchange<T, Device>::memory_bytes() const {
    return arena_count_ * (layout_.size() + options_.tail) * sizeof(T);
}

template class GradientExchange<float, Cpu>;
template class GradientExchange<double, Cpu>;

std::vector<int> contributing_ranks(int ranks, int shards) {
    std::vector<int> contributing;
    for (int rank = 0; rank < ranks; ++rank)
        if (!shard_block(rank, ranks, shards).empty()) contributing.push_back(rank);
    return contributing;
}

void sum_over_ranks(Reducer& reducer, int shards, std::uint32_t bucket, std::span<double> values) {
    const std::size_t parts =
        std::max<std::size_t>(maximal_nodes(shard_block(reducer.rank(), reducer.size(), shards), shards).size(), 1);
    std::vector<std::vector<double>> zeros(parts - 1, std::vector<double>(values.size()));
    std::vector<std::byte*> partials{reinterpret_cast<std::byte*>(values.data())};
    for (auto& z : zeros) partials.push_back(reinterpret_cast<std::byte*>(z.data()));
    ReduceRequest request;
    request.bucket = bucket;
    request.dtype = DType::float64;
    request.count = values.size();
    request.partials = partials;
    reducer.wait(reducer.submit(request));
}

}  // namespace firecaffe
