// SPDX-License-Identifier: Apache-2.0
// PrefetchLoader: threads that read batches ahead of those who need them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "firecaffe/data/batch.hpp"

namespace firecaffe {

namespace detail {
class PrefetchRing;
}

struct PrefetchOptions {
    std::int64_t threads = 1;        ///< threads that read and transform
    std::int64_t depth = 4;          ///< batches in memory, those in the hands of consumers included
    double timeout_seconds = 120.0;  ///< how long acquire() waits
    double grace_seconds = 5.0;      ///< how long the destructor waits for a reader that hangs
    bool bytes = false;   ///< batches hold bytes and places where the set has them, and floats where it has not
    bool pinned = false;  ///< their pixels lie in pinned memory, of which the constructor makes what the slots need
};

/// The right to read one batch; its slot is refilled after the lease is gone. It may outlive the loader.
class BatchLease {
  public:
    BatchLease(BatchLease&& other) noexcept = default;
    BatchLease& operator=(BatchLease&& other) noexcept;
    ~BatchLease();

    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return batch_; }
    std::uint64_t ticket() const { return ticket_; }

  private:
    friend class PrefetchLoader;
    BatchLease(std::shared_ptr<detail::PrefetchRing> ring, std::uint64_t ticket, const Batch* batch);

    std::shared_ptr<detail::PrefetchRing> ring_;
    std::uint64_t ticket_;
    const Batch* batch_;
};

/// Batches are numbered by tickets 0 .. tickets-1; `schedule` says which samples a ticket stands for. Batch t lives in
/// slot t mod depth of a ring. Threads start on batches in the order of tickets, and what is read does not depend on
/// their number. Once each slot has been used, no batch allocates (if the requests have equal sizes).
class PrefetchLoader {
  public:
    /// `schedule` must be a pure function; it is called from several threads. Throws UsageError for a null set or
    /// schedule, ConfigError for fewer than one thread or slot; where memory is pinned what that and the schedule
    /// throw. A batch larger than that which a slot held first lies in ordinary memory.
    PrefetchLoader(DatasetPtr set, std::function<BatchRequest(std::uint64_t ticket)> schedule, std::uint64_t tickets,
                   PrefetchOptions options = {});
    /// Stops the threads after the sample they are at. A reader that hangs for longer than the grace time is left
    /// behind: it keeps what it uses alive and ends when its call returns.
    ~PrefetchLoader();
    PrefetchLoader(const PrefetchLoader&) = delete;
    PrefetchLoader& operator=(const PrefetchLoader&) = delete;

    /// Waits for a batch. Each ticket can be taken once. Several threads may call it with different tickets, in any
    /// order; a ticket that is `depth` or more ahead waits until the slot's earlier batches have been taken and
    /// released.
    ///
    /// Throws what the set or the schedule threw for this batch, which then counts as taken; DataError naming the batch
    /// if it is not there in time, after which the ticket can be asked for again; UsageError for a ticket that has been
    /// taken or never will be there.
    BatchLease acquire(std::uint64_t ticket);
    BatchLease acquire(std::uint64_t ticket, double timeout_seconds);

    /// Seconds that all consumers together have waited inside acquire(). Thread-safe.
    double waited_seconds() const;

  private:
    class Readers;
    std::shared_ptr<detail::PrefetchRing> ring_;
    std::unique_ptr<Readers> readers_;
    double timeout_seconds_;
};

}  // namespace firecaffe
