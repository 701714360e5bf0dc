// SPDX-License-Identifier: Apache-2.0
// GradientExchange: from the gradients of single shards to the sum over the global batch, during the backward pass.
//
// A worker computes the shards of its block one after the other, or several at once in different threads. Each shard's
// gradients are written to an arena of their own; as soon as two siblings of the canonical tree have finished a bucket,
// that bucket of theirs is added. When a bucket's partial sums are complete it is submitted to the Reducer, in the
// order 0, 1, 2, ... on every rank, while the backward pass goes on.
//
// One step:   begin_step(step)
//             per shard, any thread:  lease = acquire(shard); forward;
//                                     backward(lease.gradients(), &lease, lease.factors())
//             finish_compute();  for each bucket b: sums = wait(b); update parameters in bucket b
// A gradient may travel as its factors (GradientFactors), in a bucket of its own: they are gathered, and wait() makes
// the gradients of other workers' shards of them and adds them along the same tree, so that the bits are the same.
//
// Shards get their memory in ascending order, whatever the order of the calls: then few arenas are enough, and the
// shards that wait are always behind those that compute. So one thread must acquire in ascending order.
// On a GPU all calls come from one thread, with one current stream: what a lease is told to be ready has been queued
// there, and so are additions, and what is made of sums comes after them there. So the order of that stream is enough
// for a reducer of one worker, which waits for nothing (make_local_reducer_on_gpu). The reducer is one of GPUs
// (Reducer::on_gpu).
//
// The values are SUMS over shards. mean_factor() turns them into means; it is the one place where that is decided.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/reducer/reducer.hpp"
#include "firecaffe/sync/buckets.hpp"
#include "firecaffe/tensor/gradient_factors.hpp"
#include "firecaffe/tensor/gradient_listener.hpp"

namespace firecaffe {

struct ExchangeOptions {
    int shards = 1;       ///< V, over all ranks
    int threads = 1;      ///< shards in flight in this worker
    bool overlap = true;  ///< submit during the backward pass; else all at finish_compute()
    std::size_t bucket_bytes = 4u << 20;
    std::size_t tail = 0;  ///< scalars behind the gradients
    /// If not empty, this is called with what submits the buckets that are ready, and has to call it: for one who
    /// records work and must queue it before another rank is told that it is (WorkParts::outside).
    std::function<void(const std::function<void()>& submit)> around_submit{};
};

/// In the library for float and double on Cpu, and for float on Cuda.
template <class T, class Device>
class GradientExchange {
  public:
    /// The gradients of one shard while they are computed. Give it to Net::backward as the listener.
    class Lease final : public GradientListener {
      public:
        /// To be written by the backward pass; the tail must be written before the backward pass.
        Arena<T, Device>& gradients() { return gradients_; }
        /// To be written by the backward pass, too, where not null; empty if no gradient travels as factors.
        std::span<const FactorPlace<T>> factors() const { return factors_; }
        void gradients_ready(std::size_t prefix) override;
        void layer_done() override;

      private:
        friend class GradientExchange;
        Lease(GradientExchange& exchange, int shard, Arena<T, Device>& gradients,
              std::span<const FactorPlace<T>> factors)
            : exchange_(exchange), shard_(shard), gradients_(gradients), factors_(factors) {}

        GradientExchange& exchange_;
        int shard_;
        Arena<T, Device>& gradients_;
        std::span<const FactorPlace<T>> factors_;
        std::size_t next_bucket_ = 0;
    };

    /// The reducer must outlive the exchange; its rank and size decide which shards are this worker's. Memory for
    /// gradients is allocated by the first step. `factors`: of the gradients that travel as such, in the order of the
    /// layout. Throws UsageError for some that do not fit it, or if the reducer cannot gather them (Reducer::gathers)
    /// or would round what travels beside them.
    GradientExchange(const ArenaLayout& layout, const ExchangeOptions& options, Reducer& reducer,
                     std::vector<GradientFactors<T>> factors = {});
    /// In the middle of a step, that is between a submission and its wait(): aborts the reducer and waits until it has
    /// let go of the gradients.
    ~GradientExchange();
    GradientExchange(const GradientExchange&) = delete;
    GradientExchange& operator=(const GradientExchange&) = delete;

    const std::vector<Bucket>& buckets() const;
    /// The shards of this worker; may be empty.
    ShardBlock block() const;
    double mean_factor() const;

    void begin_step(std::uint32_t step);
    /// Gradient memory for `shard` of block(), once per step; any thread. May wait for the shards before it to get
    /// theirs and to be added up. Throws what fail() was called with, and InternalError after ten minutes.
    Lease acquire(int shard);
    /// All shards have been computed. Submits what is left. One thread.
    void finish_compute();
    /// Waits for bucket `b` and returns the sums of the whole arena, on the device, valid in that bucket (and those
    /// before), which it has made of factors where these have travelled. On a GPU they are valid for what is queued on
    /// the current stream from then on. Throws PeerLostError.
    std::span<const T> wait(std::size_t bucket);
    /// The tail's sums, after wait() for the last bucket.
    std::span<const T> tail() const;
    /// A shard failed: every acquire(), waiting or to come, throws `cause`; of several causes the first. The exchange
    /// cannot be used any more.
    void fail(std::exception_ptr cause);

    /// Seconds in wait(): the part of the exchange that nothing hides, with the products of factors.
    double exposed_seconds() const;
    /// Bytes of all gradient arenas of this worker, and of factors and products, from the first step on.
    std::size_t memory_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The ranks that own at least one shard, ascending: those that can bring something into a sum.
std::vector<int> contributing_ranks(int ranks, int shards);

/// Sums `values` over the contributing ranks, for all ranks; exactly if at most one rank has a value other than zero
/// in each place. The values are on the host, also for a reducer of a GPU's memory. Blocks. T is float or double.
template <class T>
void sum_over_ranks(Reducer& reducer, int shards, std::uint32_t bucket, std::span<T> values);

}  // namespace firecaffe
