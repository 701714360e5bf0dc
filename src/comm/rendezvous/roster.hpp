// SPDX-License-Identifier: Apache-2.0
// Roster: rank 0's list of who has come to the rendezvous, and what is wrong with it. No I/O and no clock in here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/rendezvous/doorkeeper.hpp"
#include "comm/rendezvous/local_door.hpp"
#include "comm/rendezvous/messages.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"

namespace firecaffe::comm {

class Roster {
  public:
    /// `self`: rank 0. `options` must outlive the roster.
    Roster(const JoinOptions& options, TableEntry self)
        : options_(options), self_(std::move(self)), entries_(static_cast<std::size_t>(options.size)) {}

    /// A rank introduces itself. A refusal: it cannot be one of the job, which ends the rendezvous. A rank whose build
    /// or configuration differs is entered, and differs() from then on.
    std::optional<Refusal> enter(Info info);
    bool has(Rank rank) const { return entries_[at(rank)].has_value(); }
    const Info& of(Rank rank) const { return *entries_[at(rank)]; }
    bool all_met() const;
    bool differs() const { return !differing_.empty(); }

    /// Whether this is the connection for data of somebody on the list: over TCP, or of a rank that shares memory with
    /// rank 0 through its local door.
    bool expects_data(const Hello& hello) const;
    bool shares_memory_with_rank_0(Rank rank) const { return share_memory(self_.local_host, of(rank).local_host); }
    std::vector<TableEntry> table() const;

    // Why there will be no mesh, for everybody.
    Refusal missing(const std::string& address, const Failures& failures) const;
    Refusal difference() const;
    /// If a rank cannot share memory with rank 0.
    std::optional<Refusal> apart() const;
    Refusal left(Rank rank, const std::string& why) const;
    Refusal unconnected(const std::vector<Rank>& ranks) const;
    /// The same for one rank: with rank 0's configuration, if that is where it differs.
    Refusal words_for(Rank rank, Refusal refusal) const;

  private:
    static std::size_t at(Rank rank) { return static_cast<std::size_t>(rank); }
    Refusal refusal(std::string words, bool is_config = false) const {
        return {is_config, std::move(words), std::nullopt, self_.who};
    }

    const JoinOptions& options_;
    const TableEntry self_;
    std::vector<std::optional<Info>> entries_;  // by rank; that of rank 0 stays empty
    std::vector<Rank> differing_;
};

}  // namespace firecaffe::comm
