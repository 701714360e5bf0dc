// SPDX-License-Identifier: Apache-2.0
// StaleRank: one rank's part of a parameter server with bounded staleness (SSP; Ho et al., "More effective distributed
// ML via a stale synchronous parallel parameter server", NIPS 2013), as a state machine that never waits.
//
// The values are cut into as many shards as there are servers; ranks 0, 1, ... serve one each. A worker's clock is the
// number of updates it has brought. It pushes an update to all servers, which add it to their shards, and each server
// answers with its shard's values, as soon as they may be read: when a worker is going to begin step k, every other one
// must have brought at least k - s updates. So the fastest is never more than s steps ahead of the slowest. With s = 0
// the servers add the updates of a step in the order of ranks, and a run can be repeated; else as they come.
//
// With s >= 1 a worker begins its next step before the values have come that answer its last update: it reads those of
// one update before, and adds its own last update itself (`depth` is 1). The exchange so hides behind a step.
//
// A stretch ends after a number of updates by all workers together, which the fast ones bring more of. Rank 0 counts:
// its answers say whether, and as which one, another step is wanted. Who is to make no more leaves; when all have left,
// every server sends its values a last time, so that all ranks have equal ones, and the transport is free again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "comm/stale/clock_table.hpp"
#include "comm/stale/mailbox.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/device/memory.hpp"

namespace firecaffe::comm {

inline constexpr std::int64_t kUnbounded = -1;
inline constexpr std::size_t kMostLags = 256;  // places of the table of lags

/// Must be equal on all ranks.
struct StaleTerms {
    std::int64_t staleness = 0;  ///< s; kUnbounded: nobody waits for anybody
    int servers = 1;             ///< ranks 0 .. servers - 1
    std::vector<Rank> workers;   ///< who brings updates
    std::vector<double> shares;  ///< of the loss, by worker; they need not add up to anything
    DType dtype = DType::float32;
    std::size_t count = 0;  ///< values
};

class StaleRank final : private MailReader {
  public:
    /// What a worker says beside its update.
    struct Note {
        double loss = 0;
        bool stop = false;  ///< no more steps are to be begun, by anybody
    };

    /// `values`: of all shards, equal on all ranks, and kept up to date by what the servers answer. The stretch is of
    /// `updates` updates in total. Memory for messages comes from the transport, which must outlive this object. Throws
    /// UsageError for terms that cannot be meant.
    StaleRank(Transport& transport, StaleTerms terms, std::span<std::byte> values, std::int64_t updates);
    ~StaleRank() override;

    /// Posts the first receives.
    void open();
    /// By workers: brings this rank's update of all values, which must stay as it is until answered(pushes - 1).
    void push(std::span<const std::byte> update, Note note);
    /// By workers: no more updates.
    void leave();

    std::span<Transfer* const> under_way() { return mailbox_.under_way(); }
    /// Throws PeerLostError for a message that cannot be meant, and InternalError if the bound does not hold.
    void completed(std::size_t place);

    std::int64_t depth() const { return depth_; }
    /// All servers have answered the update of this number, from 0, and no transfer of updates is under way.
    bool answered(std::int64_t push) const;
    /// The number, among those of all workers, of this worker's step `step`, once it is known: of the first depth() + 1
    /// from the beginning, else when step - depth() - 1 is answered. None: it is not to be made.
    std::optional<std::int64_t> turn(std::int64_t step) const;
    /// All workers have left, `values` are the last ones, and everything is sent.
    bool is_done() const;
    /// The rank that keeps this one from going on, if it cannot; -1: none does, and the next move is this one's.
    Rank awaited() const;

    std::int64_t pushes() const { return pushes_; }
    /// After the end on all ranks, before it on rank 0: updates so far, the mean, by shares, of the last losses of
    /// those workers who have named one, and whether somebody wished to stop.
    std::int64_t updates() const { return updates_; }
    double loss() const;
    bool stopped() const { return stopped_; }
    /// [k], of kMostLags: steps of this worker whose values lacked k updates of the slowest other one, and in the last
    /// place more. What others have brought since the servers answered is in no values, so it does not count.
    const std::vector<std::int64_t>& lags() const { return lags_; }

  private:
    enum Kind : std::uint32_t { kPush, kLeave, kValues, kLast };
    struct Span {
        std::size_t first = 0, count = 0;  // elements
    };

    bool serves(Rank rank) const { return rank < terms_.servers; }
    Span shard(Rank server) const;
    std::span<std::byte> bytes_of(std::span<std::byte> all, Rank server) const;

    std::span<std::byte> room(Rank from, const MailHeader& header) override;
    bool read(Rank from, const MailHeader& header) override;
    void take_update(Rank worker, const MailHeader& header, const std::byte* bytes);
    void take_leave(Rank worker);
    void take_values(Rank server, const MailHeader& header);
    bool take_last(Rank server, const MailHeader& header);

    void add_all();
    void add(Rank worker);
    bool may_read(Rank worker) const;
    void answer(Rank worker);
    void answer_all();
    void count_lag(std::int64_t lag);
    bool waits(Rank worker) const { return clients_[static_cast<std::size_t>(worker)].waits; }
    Rank missing_update() const;
    [[noreturn]] void refuse(Rank from, const MailHeader& header) const;

    Transport& transport_;
    const StaleTerms terms_;
    const Rank self_;
    const std::int64_t depth_, budget_;
    const std::span<std::byte> values_;

    // As a server.
    struct Client {
        Memory<Cpu> update, answer;        // what comes, and what is being sent
        const std::byte* bytes = nullptr;  // of the update
        bool waits = false;                // an update is there and not added yet
        bool reads = false;                // an answer is due
        std::optional<double> loss;        // the last one
    };
    Memory<Cpu> shard_;
    std::vector<Client> clients_;  // by rank
    ClockTable clocks_;
    std::int64_t granted_ = 0;  // steps, by rank 0
    bool last_sent_ = false;

    // As a worker.
    std::int64_t pushes_ = 0;
    std::vector<std::int64_t> answers_;  // by server
    std::vector<std::int64_t> turns_;    // by own step: its number among all; -1: not to be made
    std::vector<std::int64_t> lags_ = std::vector<std::int64_t>(kMostLags);

    std::int64_t updates_ = 0;  // counted by rank 0, which tells the others at the end
    double last_loss_ = 0;
    bool stopped_ = false;

    Mailbox mailbox_;  // the last member: it ends before the memory that its transfers use
};

}  // namespace firecaffe::comm
