// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/gradient_exchange.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "device/instances.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/ops.hpp"
#include "sync/bucket_stage.hpp"
#include "sync/factor_sums.hpp"

namespace firecaffe {

namespace {

constexpr auto kArenaDeadline = std::chrono::minutes(10);

int log2_ceil(int n) {
    int log = 0;
    while ((1 << log) < n) ++log;
    return log;
}

/// The most complete subtrees that any prefix of the block falls into. As shards get arenas in ascending order, this
/// many are held when nobody computes; with one more for each thread, a thread that waits can count on those that
/// compute.
std::size_t most_subtrees(const ShardBlock& block, int shards) {
    std::size_t most = 0;
    for (int end = block.begin + 1; end <= block.end; ++end)
        most = std::max(most, maximal_nodes({block.begin, end}, shards).size());
    return most;
}

}  // namespace

template <class T, class Device>
struct GradientExchange<T, Device>::State {
    struct Pending {              // one bucket within a step
        std::vector<char> ready;  // per node of the tree: its value is complete
        int roots_ready = 0;
        Ticket ticket = 0;
    };

    State(const ArenaLayout& arena_layout, const ExchangeOptions& exchange_options, Reducer& exchange_reducer,
          std::vector<GradientFactors<T>> factors);

    void complete(std::size_t bucket, int shard);
    void clear_gaps(const Bucket& bucket, T* gradients) const;
    void submit_ready(bool everything);
    void submit(std::size_t bucket);
    void finish(std::size_t bucket);
    std::size_t node_number(const ShardNode& node) const {
        return level_offsets[static_cast<std::size_t>(node.level)] + static_cast<std::size_t>(node.index);
    }
    bool exists(const ShardNode& node) const { return node.begin() < options.shards; }
    Arena<T, Device>& arena_of(int shard) { return *in_use[static_cast<std::size_t>(shard - block.begin)]; }

    const ArenaLayout layout;
    const ExchangeOptions options;
    Reducer& reducer;
    const ShardBlock block;
    const std::vector<ShardNode> roots;
    FactorSums<T, Device> factor_sums;
    const std::vector<Bucket> buckets;
    std::size_t arena_count = 0;
    BucketStage<Device> stage;
    std::vector<Arena<T, Device>> arenas;  // empty until the first step
    std::vector<std::size_t> level_offsets;

    std::mutex mutex;  // guards what follows, up to `failure`
    std::condition_variable arena_free;
    std::vector<Arena<T, Device>*> free;
    int next_shard = 0;                         // the one whose turn it is in acquire()
    std::vector<Arena<T, Device>*> in_use;      // per shard of the block
    std::vector<std::size_t> buckets_absorbed;  // per shard: buckets already added into the left sibling
    std::vector<Pending> pending;
    std::vector<std::byte*> partials;  // scratch of submit_ready()
    Arena<T, Device>* result = nullptr;
    std::size_t next_submit = 0;
    std::uint32_t step = 0;
    std::exception_ptr failure;

    std::size_t waited = 0;      // buckets whose sums are there in this step
    std::vector<T*> own_values;  // scratch of finish()
    double exposed_seconds = 0.0;
};

template <class T, class Device>
GradientExchange<T, Device>::State::State(const ArenaLayout& arena_layout, const ExchangeOptions& exchange_options,
                                          Reducer& exchange_reducer, std::vector<GradientFactors<T>> factors)
    : layout(arena_layout),
      options(exchange_options),
      reducer(exchange_reducer),
      block(shard_block(reducer.rank(), reducer.size(), options.shards)),
      roots(maximal_nodes(block, options.shards)),
      factor_sums(layout, options.shards, block, std::move(factors)),
      buckets(plan_buckets(layout, options.tail, sizeof(T), options.bucket_bytes, !reducer.exact(),
                           factor_sums.parameters())),
      stage(reducer, buckets.size()) {
    if (!factor_sums.parameters().empty() && !(reducer.gathers() && reducer.exact()))
        throw UsageError("reducer '", reducer.name(), "' ", reducer.gathers() ? "rounds sums" : "cannot gather",
                         ", so gradients cannot travel as factors; give none, or another reducer");
    arena_count = std::min(static_cast<std::size_t>(std::max(block.size(), 1)),
                           most_subtrees(block, options.shards) + static_cast<std::size_t>(options.threads));
    std::size_t nodes = 0;
    for (int level = 0; level <= log2_ceil(options.shards) + 1; ++level) {
        level_offsets.push_back(nodes);
        nodes += static_cast<std::size_t>((options.shards >> level) + 1);
    }
    const auto shards = static_cast<std::size_t>(block.size());
    in_use.resize(shards);
    buckets_absorbed.resize(shards);
    pending.resize(buckets.size());
    for (Pending& p : pending) p.ready.resize(nodes);
    partials.resize(std::max<std::size_t>(roots.size(), 1));
    own_values.resize(roots.size());
    arenas.reserve(arena_count);
    free.reserve(arena_count);
}

/// Climbs from the leaf: where both children of a node are complete, whoever completed the second adds the right one to
/// the left one and goes on.
template <class T, class Device>
void GradientExchange<T, Device>::State::complete(std::size_t bucket, int shard) {
    const Bucket& span = buckets[bucket];
    Pending& of_bucket = pending[bucket];
    ShardNode node{0, shard};
    std::unique_lock lock(mutex);
    for (;;) {
        of_bucket.ready[node_number(node)] = 1;
        if (std::find(roots.begin(), roots.end(), node) != roots.end()) {
            ++of_bucket.roots_ready;
            if (options.overlap) submit_ready(false);
            return;
        }
        const ShardNode left{node.level, node.index & ~1}, right{node.level, node.index | 1};
        if (exists(right)) {
            if (!of_bucket.ready[node_number(left)] || !of_bucket.ready[node_number(right)]) return;
            T* sum = arena_of(left.begin()).data() + span.begin;
            const T* part = arena_of(right.begin()).data() + span.begin;
            lock.unlock();
            ops::accumulate<T, Device>({part, span.count()}, {sum, span.count()});
            lock.lock();
            const auto absorbed = static_cast<std::size_t>(right.begin() - block.begin);
            if (++buckets_absorbed[absorbed] == buckets.size()) {
                free.push_back(in_use[absorbed]);
                arena_free.notify_all();
            }
        }
        node = {node.level + 1, node.index / 2};
    }
}

/// A reducer that rounds may make something of the zeros between parameters, and leave it in an arena that is the next
/// step's: there it would be taken for a gradient and grow.
template <class T, class Device>
void GradientExchange<T, Device>::State::clear_gaps(const Bucket& bucket, T* gradients) const {
    if (bucket.exact) return;
    const auto& parameters = layout.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const std::size_t next = i + 1 < parameters.size() ? parameters[i + 1].offset : layout.size();
        if (parameters[i].offset >= bucket.begin && next <= bucket.end)
            ops::clear<T, Device>({gradients + parameters[i].end(), next - parameters[i].end()});
    }
}

template <class T, class Device>
void GradientExchange<T, Device>::State::submit_ready(bool everything) {
    std::size_t end = next_submit;
    while (end < buckets.size() && pending[end].roots_ready == static_cast<int>(roots.size())) ++end;
    FIRECAFFE_INVARIANT(!everything || end == buckets.size());
    if (end == next_submit) return;
    const auto submit_them = [this, end] {
        for (; next_submit < end; ++next_submit) submit(next_submit);
    };
    options.around_submit ? options.around_submit(submit_them) : submit_them();
}

template <class T, class Device>
void GradientExchange<T, Device>::State::submit(std::size_t bucket) {
    const Bucket& span = buckets[bucket];
    ReduceRequest request;
    request.bucket = static_cast<std::uint32_t>(bucket);
    request.step = step;
    request.dtype = dtype_of<T>;
    if (span.alone) {
        const std::span<T> gathered = factor_sums.gathered(*span.alone);
        partials[0] = reinterpret_cast<std::byte*>(gathered.data());
        request.count = gathered.size();
        request.partials = {partials.data(), 1};
        request.gathered_shards = options.shards;
    } else {
        if (roots.empty()) partials[0] = reinterpret_cast<std::byte*>(result->data() + span.begin);
        for (std::size_t r = 0; r < roots.size(); ++r) {
            T* const gradients = arena_of(roots[r].begin()).data();
            clear_gaps(span, gradients);
            partials[r] = reinterpret_cast<std::byte*>(gradients + span.begin);
        }
        request.ready = stage.ready(bucket);
        request.count = span.count();
        request.exact = span.exact;
        request.partials = partials;
        request.matrices = span.matrices;
    }
    pending[bucket].ticket = reducer.submit(request);
}

/// Blocks until the sums of a bucket are there.
template <class T, class Device>
void GradientExchange<T, Device>::State::finish(std::size_t bucket) {
    reducer.wait(pending[bucket].ticket);
    const Bucket& span = buckets[bucket];
    if (!span.alone) return;
    for (std::size_t r = 0; r < roots.size(); ++r) own_values[r] = arena_of(roots[r].begin()).data() + span.begin;
    factor_sums.sum(*span.alone, own_values, result->data() + span.begin, reducer);
}

template <class T, class Device>
void GradientExchange<T, Device>::Lease::gradients_ready(std::size_t prefix) {
    State& s = *exchange_.state_;
    for (; next_bucket_ < s.buckets.size(); ++next_bucket_) {
        const bool last = next_bucket_ + 1 == s.buckets.size();
        if (s.buckets[next_bucket_].end - (last ? s.options.tail : 0) > prefix) return;
        s.complete(next_bucket_, shard_);
    }
}

template <class T, class Device>
void GradientExchange<T, Device>::Lease::layer_done() {
    exchange_.state_->reducer.note_progress();
}

template <class T, class Device>
GradientExchange<T, Device>::GradientExchange(const ArenaLayout& layout, const ExchangeOptions& options,
                                              Reducer& reducer, std::vector<GradientFactors<T>> factors)
    : state_(std::make_unique<State>(layout, options, reducer, std::move(factors))) {}

template <class T, class Device>
GradientExchange<T, Device>::~GradientExchange() {
    State& s = *state_;
    if (s.waited >= s.next_submit) return;
    s.reducer.abort("its exchange of gradients ended in the middle of a step");
    for (std::size_t b = s.waited; b < s.next_submit; ++b) {
        try {
            s.reducer.wait(s.pending[b].ticket);
        } catch (...) {  // it has let go of the memory; more is not asked
        }
    }
}

template <class T, class Device>
const std::vector<Bucket>& GradientExchange<T, Device>::buckets() const {
    return state_->buckets;
}

template <class T, class Device>
ShardBlock GradientExchange<T, Device>::block() const {
    return state_->block;
}

template <class T, class Device>
double GradientExchange<T, Device>::mean_factor() const {
    return 1.0 / state_->options.shards;
}

template <class T, class Device>
void GradientExchange<T, Device>::begin_step(std::uint32_t step) {
    State& s = *state_;
    const std::lock_guard lock(s.mutex);
    while (s.arenas.size() < s.arena_count) {
        const std::size_t bytes = Arena<T, Device>::bytes(s.layout, s.options.tail);
        s.arenas.emplace_back(s.layout, s.options.tail, s.stage.allocate(bytes));
    }
    s.factor_sums.allocate(s.reducer);
    s.step = step;
    s.next_submit = s.waited = 0;
    s.next_shard = s.block.begin;
    for (auto& p : s.pending) {
        std::fill(p.ready.begin(), p.ready.end(), char{0});
        p.roots_ready = 0;
    }
    std::fill(s.buckets_absorbed.begin(), s.buckets_absorbed.end(), std::size_t{0});
    std::fill(s.in_use.begin(), s.in_use.end(), nullptr);
    s.free.clear();
    for (Arena<T, Device>& arena : s.arenas) s.free.push_back(&arena);
    s.result = s.block.empty() ? &s.arenas.front() : nullptr;
}

template <class T, class Device>
typename GradientExchange<T, Device>::Lease GradientExchange<T, Device>::acquire(int shard) {
    State& s = *state_;
    FIRECAFFE_INVARIANT(shard >= s.block.begin && shard < s.block.end);
    std::unique_lock lock(s.mutex);
    const auto its_turn = [&] { return s.failure != nullptr || (shard == s.next_shard && !s.free.empty()); };
    if (!s.arena_free.wait_for(lock, kArenaDeadline, its_turn))
        throw InternalError("no gradient memory became free for shard ", shard, " within ten minutes (next is shard ",
                            s.next_shard, "); acquire shards in ascending order, once per step");
    if (s.failure != nullptr) std::rethrow_exception(s.failure);
    Arena<T, Device>* arena = s.free.back();
    s.free.pop_back();
    ++s.next_shard;
    if (!s.free.empty()) s.arena_free.notify_all();
    s.in_use[static_cast<std::size_t>(shard - s.block.begin)] = arena;
    if (shard == s.block.begin) s.result = arena;
    return Lease(*this, shard, *arena, s.factor_sums.places(shard));
}

template <class T, class Device>
void GradientExchange<T, Device>::finish_compute() {
    const std::lock_guard lock(state_->mutex);
    state_->submit_ready(true);
}

template <class T, class Device>
std::span<const T> GradientExchange<T, Device>::wait(std::size_t bucket) {
    State& s = *state_;
    const auto start = std::chrono::steady_clock::now();
    for (; s.waited <= bucket; ++s.waited) s.finish(s.waited);
    s.exposed_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {s.result->data(), s.result->extent()};
}

template <class T, class Device>
std::span<const T> GradientExchange<T, Device>::tail() const {
    return state_->result->tail();
}

template <class T, class Device>
void GradientExchange<T, Device>::fail(std::exception_ptr cause) {
    const std::lock_guard lock(state_->mutex);
    if (state_->failure == nullptr) state_->failure = std::move(cause);
    state_->arena_free.notify_all();
}

template <class T, class Device>
double GradientExchange<T, Device>::exposed_seconds() const {
    return state_->exposed_seconds;
}

template <class T, class Device>
std::size_t GradientExchange<T, Device>::memory_bytes() const {
    const State& s = *state_;
    return s.arena_count * (s.layout.size() + s.options.tail) * sizeof(T) + s.factor_sums.bytes();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class GradientExchange<T, Device>;
FIRECAFFE_FOR_EACH_INSTANCE(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
