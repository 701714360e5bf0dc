// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/sync/stale_exchange.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "comm/stale/stale_rank.hpp"
#include "device/instances.hpp"
#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/sync/gradient_exchange.hpp"

namespace firecaffe {
namespace {

using Clock = std::chrono::steady_clock;

double share(comm::Rank rank, int ranks, int shards) {
    return static_cast<double>(shard_block(rank, ranks, shards).size()) / shards;
}

comm::StaleTerms make_terms(const comm::Transport& transport, const ReducerOptions& options, int shards,
                            std::size_t values, DType dtype) {
    if (options.staleness < comm::kUnbounded)
        throw ConfigError("/reducer/staleness: ", options.staleness,
                          " steps; give 0 or more, or -1 for workers that wait for nobody");
    if (options.servers > transport.size())
        throw ConfigError("/reducer/servers: ", options.servers, " servers, but there are ", transport.size(),
                          " workers; give at most ", transport.size(), ", or 0 for one on each");
    comm::StaleTerms terms;
    terms.staleness = options.staleness;
    terms.servers = options.servers == 0 ? transport.size() : static_cast<int>(options.servers);
    terms.workers = contributing_ranks(transport.size(), shards);
    for (const comm::Rank worker : terms.workers) terms.shares.push_back(share(worker, transport.size(), shards));
    terms.dtype = dtype;
    terms.count = values;
    return terms;
}

}  // namespace

template <class T, class Device>
struct StaleExchange<T, Device>::State {
    State(std::shared_ptr<comm::Transport> t, const ReducerOptions& options, int shards, std::size_t count)
        : transport(std::move(t)),
          terms(make_terms(*transport, options, shards, count, dtype_of<T>)),
          factor(options.updates == StaleUpdates::sum
                     ? T{1}
                     : static_cast<T>(share(transport->rank(), transport->size(), shards))),
          received(transport->allocate(count * sizeof(T))),
          update(transport->allocate(count * sizeof(T))) {}

    std::span<T> span_of(Memory<Cpu>& memory) const {
        return {reinterpret_cast<T*>(memory.data()), memory.bytes() / sizeof(T)};
    }

    bool works() const { return std::ranges::find(terms.workers, transport->rank()) != terms.workers.end(); }

    // Both are called with the mutex held.
    void order(bool& what, std::unique_lock<std::mutex>& lock);
    template <class Done>
    void wait_until(Done done, std::unique_lock<std::mutex>& lock);

    void serve();
    void drive(std::unique_lock<std::mutex>& lock);
    void end_thread() {
        if (thread.joinable()) thread.join();
    }

    const std::shared_ptr<comm::Transport> transport;
    const comm::StaleTerms terms;
    const T factor;                // what this rank's update counts for
    Memory<Cpu> received, update;  // the servers' values, and this worker's last update
    std::thread thread;            // of one stretch

    mutable std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    std::optional<comm::StaleRank> rank;
    bool to_push = false, to_leave = false;  // orders for the thread
    comm::StaleRank::Note note;
    bool blocked = false;  // the caller waits
    bool ended = false;    // the thread
    std::exception_ptr failure;

    std::int64_t steps = 0;  // begun by this worker in this stretch
    StaleProgress last;
    std::vector<std::int64_t> lags = std::vector<std::int64_t>(comm::kMostLags);
    double exposed = 0;
};

template <class T, class Device>
template <class Done>
void StaleExchange<T, Device>::State::wait_until(Done done, std::unique_lock<std::mutex>& lock) {
    const auto ready = [&] { return failure != nullptr || done(); };
    if (!ready()) {
        const auto since = Clock::now();
        blocked = true;
        transport->interrupt();  // so that the thread tells whom this rank waits for
        changed.wait(lock, ready);
        blocked = false;
        exposed += std::chrono::duration<double>(Clock::now() - since).count();
    }
    if (failure != nullptr) std::rethrow_exception(failure);
}

template <class T, class Device>
void StaleExchange<T, Device>::State::order(bool& what, std::unique_lock<std::mutex>& lock) {
    what = true;
    transport->interrupt();
    changed.wait(lock, [&] { return failure != nullptr || !what; });
    if (failure != nullptr) std::rethrow_exception(failure);
}

template <class T, class Device>
void StaleExchange<T, Device>::State::serve() {
    std::unique_lock lock(mutex);
    try {
        rank->open();
        drive(lock);
    } catch (const std::exception& error) {
        if (!lock.owns_lock()) lock.lock();  // it was waiting
        transport->abort(error.what());
        failure = std::current_exception();
    }
    ended = true;
    changed.notify_all();
}

template <class T, class Device>
void StaleExchange<T, Device>::State::drive(std::unique_lock<std::mutex>& lock) {
    while (!rank->is_done()) {
        if (std::exchange(to_push, false)) rank->push(std::as_bytes(span_of(update)), note);
        if (std::exchange(to_leave, false)) rank->leave();
        changed.notify_all();
        const auto under_way = rank->under_way();
        const comm::Rank awaited = blocked ? rank->awaited() : -1;
        lock.unlock();
        const std::size_t place = transport->wait_any(under_way, awaited);
        lock.lock();
        if (place < under_way.size()) rank->completed(place);
    }
}

template <class T, class Device>
StaleExchange<T, Device>::StaleExchange(std::shared_ptr<comm::Transport> transport, const ReducerOptions& options,
                                        int shards, std::size_t values) {
    if (transport == nullptr || transport->size() < 2)
        throw UsageError("StaleExchange: give a transport that joins two ranks or more; one alone lags behind nobody");
    state_ = std::make_unique<State>(std::move(transport), options, shards, values);
}

template <class T, class Device>
StaleExchange<T, Device>::~StaleExchange() {
    State& s = *state_;
    {
        const std::lock_guard lock(s.mutex);
        if (s.thread.joinable() && !s.ended) s.transport->abort("its exchange with the stale server ended too early");
    }
    s.end_thread();
}

template <class T, class Device>
int StaleExchange<T, Device>::workers() const {
    return static_cast<int>(state_->terms.workers.size());
}

template <class T, class Device>
std::optional<StaleTurn> StaleExchange<T, Device>::begin(std::span<const T> values, std::int64_t updates) {
    State& s = *state_;
    if (s.thread.joinable()) throw UsageError("StaleExchange: a stretch is under way; finish() it first");
    const std::span<T> received = s.span_of(s.received);
    ops::copy<T, Device>(values, received);
    s.rank.emplace(*s.transport, s.terms, std::as_writable_bytes(received), updates);
    s.steps = 0;
    s.ended = false;
    s.last = {};
    const auto turn = s.rank->turn(0);
    s.thread = std::thread([&s] { s.serve(); });
    if (s.works() && turn) return StaleTurn{*turn};
    return std::nullopt;
}

template <class T, class Device>
void StaleExchange<T, Device>::begin_update(std::span<const T> values) {
    State& s = *state_;
    std::unique_lock lock(s.mutex);
    s.wait_until([&] { return s.rank->answered(s.steps - 1); }, lock);
    ops::copy<T, Device>(values, s.span_of(s.update));
}

template <class T, class Device>
std::optional<StaleTurn> StaleExchange<T, Device>::push(std::span<T> values, const StaleNote& note) {
    State& s = *state_;
    const std::span<T> update = s.span_of(s.update), received = s.span_of(s.received);
    for (std::size_t i = 0; i < update.size(); ++i) update[i] = (values[i] - update[i]) * s.factor;
    s.note = {note.loss, note.stop};
    const std::int64_t step = s.steps++;
    if (s.rank->depth() > 0) {
        // What the update before led to, and this worker's own last one. Until that is pushed, nothing else comes.
        ops::copy<T, Device>(received, values);
        ops::accumulate<T, Device>(update, values);
    }
    std::unique_lock lock(s.mutex);
    s.order(s.to_push, lock);
    if (s.rank->depth() == 0) s.wait_until([&] { return s.rank->answered(step); }, lock);
    const auto turn = s.rank->turn(step + 1);
    lock.unlock();
    if (s.rank->depth() == 0) ops::copy<T, Device>(received, values);
    return turn ? std::optional(StaleTurn{*turn}) : std::nullopt;
}

template <class T, class Device>
bool StaleExchange<T, Device>::wait_for(std::int64_t updates) {
    State& s = *state_;
    std::unique_lock lock(s.mutex);
    const bool looks_on = s.transport->rank() == 0;
    s.wait_until([&] { return s.ended || (looks_on && s.rank->updates() >= updates); }, lock);
    return !s.ended;
}

template <class T, class Device>
StaleProgress StaleExchange<T, Device>::finish(std::span<T> values) {
    State& s = *state_;
    {
        std::unique_lock lock(s.mutex);
        if (s.works()) s.order(s.to_leave, lock);
        s.wait_until([&] { return s.ended; }, lock);
    }
    s.end_thread();
    ops::copy<T, Device>(s.span_of(s.received), values);
    s.last = {s.rank->updates(), s.rank->loss(), s.rank->stopped()};
    const auto& lags = s.rank->lags();
    for (std::size_t k = 0; k < lags.size(); ++k) s.lags[k] += lags[k];
    s.rank.reset();
    return s.last;
}

template <class T, class Device>
StaleProgress StaleExchange<T, Device>::progress() const {
    const std::lock_guard lock(state_->mutex);
    if (!state_->rank) return state_->last;
    return {state_->rank->updates(), state_->rank->loss(), state_->rank->stopped()};
}

template <class T, class Device>
const std::vector<std::int64_t>& StaleExchange<T, Device>::lags() const {
    return state_->lags;
}

template <class T, class Device>
double StaleExchange<T, Device>::exposed_seconds() const {
    const std::lock_guard lock(state_->mutex);
    return state_->exposed;
}

#define FIRECAFFE_INSTANTIATE(T, Device) template class StaleExchange<T, Device>;
FIRECAFFE_FOR_EACH_INSTANCE(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
