// SPDX-License-Identifier: Apache-2.0
// BackgroundReducer: makes a Reducer out of a function that blocks. It owns a communication thread and a bounded queue;
// the function sums one bucket at a time, in the order of submission, while the caller computes on.
//
// To write a reducer of your own, say how ONE bucket is summed, and wrap it:
//
//   class MyReducer final : public firecaffe::BlockingReducer {
//     public:
//       std::string_view name() const override { return "mine"; }
//       int rank() const override { return my_rank; }
//       int size() const override { return my_size; }
//       bool canonical() const override { return false; }
//       void reduce(const firecaffe::ReduceRequest& r, std::uint64_t) override {
//           my_allreduce_sum(r.partials[0], r.count * size_of(r.dtype));     // in place; returns when it is done
//       }
//       void abort(std::string_view reason) noexcept override { my_cancel(reason); }  // makes reduce() throw soon
//   };
//   std::unique_ptr<firecaffe::Reducer> reducer =
//       std::make_unique<firecaffe::BackgroundReducer>(std::make_unique<MyReducer>());
//
// The wrapper is final and owns the function's object: the thread has ended before any of its members dies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// How one bucket is summed. All functions but allocate, allocate_on_gpu, note_progress, abort, bytes_sent, kept_back
/// and schemes are called by one thread at a time; those may come from any thread, during reduce() too.
class BlockingReducer {
  public:
    virtual ~BlockingReducer() = default;
    virtual std::string_view name() const = 0;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    virtual bool canonical() const = 0;
    virtual bool exact() const { return true; }
    /// False: submit() refuses requests with gathered_shards, and reduce() sees none.
    virtual bool gathers() const { return false; }
    /// As Reducer::on_gpu. True: reduce() sees to it that nothing is read before request.ready is reached; false:
    /// submit() refuses requests with `ready`.
    virtual bool on_gpu() const { return false; }
    /// Partial sums that this rank brings per bucket; a request with another number is refused by submit().
    virtual int partials() const { return 1; }

    /// Leaves the sum, or what was gathered, in partials[0]. `sequence` counts the requests from 1, alike on all ranks.
    /// Must end: by a deadline of its own if need be. What it throws (PeerLostError for a lost rank) ends the reducer.
    virtual void reduce(const ReduceRequest& request, std::uint64_t sequence) = 0;

    /// As Reducer::allocate.
    virtual Memory<Cpu> allocate(std::size_t bytes) { return Memory<Cpu>(bytes); }
    virtual Memory<Cuda> allocate_on_gpu(std::size_t bytes) { return Memory<Cuda>(bytes); }
    virtual void note_progress() noexcept {}
    /// Makes a reduce() under way, here and on the other ranks, throw PeerLostError soon.
    virtual void abort(std::string_view) noexcept {}
    /// Orderly end; nothing is called after it.
    virtual void close() noexcept {}
    virtual std::uint64_t bytes_sent() const { return 0; }
    virtual double kept_back() const { return 0; }  ///< as ReducerStatistics, and so below
    virtual std::string schemes() const { return {}; }
};

struct BackgroundOptions {
    std::size_t queue = 256;  ///< requests under way at a time; submit() waits for room beyond that
};

class BackgroundReducer final : public Reducer {
  public:
    /// Throws UsageError for a null pointer or a queue of 0.
    explicit BackgroundReducer(std::unique_ptr<BlockingReducer> work, BackgroundOptions options = {});
    /// Ends the thread. With requests under way, it aborts first: the other ranks learn that this one has gone.
    ~BackgroundReducer() override;
    BackgroundReducer(const BackgroundReducer&) = delete;
    BackgroundReducer& operator=(const BackgroundReducer&) = delete;

    std::string_view name() const override;
    int rank() const override;
    int size() const override;
    bool canonical() const override;
    bool exact() const override;
    bool gathers() const override;
    bool on_gpu() const override;

    /// Throws UsageError for a request that cannot be meant (dtype, number of partials, null memory, a gathering one
    /// where the work gathers nothing, after close()). After a failure: throws what reduce() threw.
    Ticket submit(const ReduceRequest& request) override;
    /// Throws what reduce() threw, for this request and for all after it; requests that were done before are done. When
    /// it has returned or thrown, nothing touches the request's memory any more. Throws UsageError for a ticket that
    /// was never given out.
    void wait(Ticket ticket) override;
    /// In the caller's thread, if nothing else is under way.
    void sum(const ReduceRequest& request) override;

    Memory<Cpu> allocate(std::size_t bytes) override;
    Memory<Cuda> allocate_on_gpu(std::size_t bytes) override;
    void note_progress() noexcept override;
    /// Finishes what was submitted, ends the thread, closes the work. Later calls do nothing.
    void close() noexcept override;
    /// May come from any thread. Waits throw PeerLostError with this reason, unless something else failed first.
    void abort(std::string_view reason) noexcept override;
    ReducerStatistics statistics() const override;

  private:
    class Worker;
    std::unique_ptr<Worker> worker_;
};

}  // namespace firecaffe
