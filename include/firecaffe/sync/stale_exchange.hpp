// SPDX-License-Identifier: Apache-2.0
// StaleExchange: parameters from a server that may lag behind (stale synchronous parallel, SSP), instead of sums of
// gradients. Each worker updates its own copy with an optimizer of its own; the change travels to the servers, which
// add it, and the copy is replaced by their values. The fastest worker is never more than `staleness` steps ahead of
// the slowest, and with a staleness of 0 the run is the synchronous one, but for rounding: with plain momentum the mean
// of the workers' updates is the update of the mean.
//
// One stretch, on every rank:
//   auto turn = exchange.begin(values, updates);
//   while (turn) {
//       gradients of this worker's part, at `values`
//       exchange.begin_update(values); optimizer.update(values, ...); turn = exchange.push(values, {loss});
//   }
//   exchange.finish(values);            // equal on all ranks now
//
// Between stretches the transport is free for a Reducer. How the servers and the wire work: docs/algorithms.md.
//
// Values are on the host, whatever the device.
//
// Threads: one calls; an own thread serves and exchanges during a stretch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"

namespace firecaffe {

/// A step that a worker is to make.
struct StaleTurn {
    std::int64_t number = 0;  ///< among the updates of all workers in this stretch, from 0
};

/// What a worker says with its update.
struct StaleNote {
    double loss = 0;
    bool stop = false;  ///< the stretch is to end: no worker begins another step
};

/// How far a stretch is.
struct StaleProgress {
    std::int64_t updates = 0;  ///< of all workers
    double loss = 0;           ///< the mean, by shards, of what each worker said last
    bool stopped = false;      ///< a worker wished so
};

/// In the library for float and double on Cpu, and for float on Cuda.
template <class T, class Device>
class StaleExchange {
  public:
    /// `values`: the length of the parameters. `shards`: of a global batch, which say who works and by what share each
    /// update counts; a rank without shards only serves, or only looks on. Throws ConfigError for options out of range
    /// and UsageError for a null transport, or one of a single rank.
    StaleExchange(std::shared_ptr<comm::Transport> transport, const ReducerOptions& options, int shards,
                  std::size_t values);
    /// In the middle of a stretch: aborts the transport first.
    ~StaleExchange();
    StaleExchange(const StaleExchange&) = delete;
    StaleExchange& operator=(const StaleExchange&) = delete;

    /// How many ranks have shards.
    int workers() const;

    /// Begins a stretch of so many updates by all workers together, at least one. `values` must be equal on all ranks.
    /// None: this rank makes no step; go on with finish(). All functions from here on throw PeerLostError when a rank
    /// is lost.
    std::optional<StaleTurn> begin(std::span<const T> values, std::int64_t updates);
    /// Remembers `values`, before they are updated. Waits until the servers have answered the update before.
    void begin_update(std::span<const T> values);
    /// Sends how `values` have changed since begin_update(), and replaces them by those to make the next step with.
    std::optional<StaleTurn> push(std::span<T> values, const StaleNote& note);
    /// Waits until all workers together have made so many updates, which rank 0 alone learns before the end. False: the
    /// stretch is at its end.
    bool wait_for(std::int64_t updates);
    /// Waits for all other workers and takes the last values, equal on all ranks.
    StaleProgress finish(std::span<T> values);

    /// Of the present stretch, or the last. During it, of rank 0 only.
    StaleProgress progress() const;
    /// [k]: steps of this worker whose values lacked k updates of the slowest other one, over all stretches; in the
    /// last of the places, of which all workers have equally many, also those that lacked more. Not during a stretch.
    const std::vector<std::int64_t>& lags() const;
    /// Seconds that the caller waited.
    double exposed_seconds() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace firecaffe
