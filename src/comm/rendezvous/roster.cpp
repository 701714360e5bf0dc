// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/roster.hpp"

#include <utility>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

std::optional<Refusal> Roster::enter(Info info) {
    const PeerInfo who = info.who;
    if (info.size != options_.size)
        return refusal(text("the ranks disagree about their number: ", who, " was started as one of ", info.size, ", ",
                            self_.who, " as one of ", options_.size,
                            "; start all ranks with the same number of workers"));
    if (info.encryption != options_.encryption)
        return refusal(
            text("the ranks disagree about encryption: ", who, " was started with '", to_string(info.encryption), "', ",
                 self_.who, " with '", to_string(options_.encryption), "'; start all ranks with the same encryption"),
            true);
    if (who.rank <= 0 || who.rank >= options_.size)
        return refusal(text(who, " joined, but the ranks that may join are 1 to ", options_.size - 1,
                            "; give each worker its own rank"));
    if (has(who.rank))
        return refusal(text("two processes joined as rank ", who.rank, ": ", of(who.rank).who, " and ", who,
                            "; give each worker its own rank"));
    if (info.build != options_.build || info.config != options_.config) differing_.push_back(who.rank);
    entries_[at(who.rank)] = std::move(info);
    return std::nullopt;
}

bool Roster::all_met() const {
    for (Rank rank = 1; rank < options_.size; ++rank)
        if (!has(rank)) return false;
    return true;
}

bool Roster::expects_data(const Hello& hello) const {
    if (hello.rank <= 0 || hello.rank >= options_.size || !has(hello.rank)) return false;
    return opens_data(hello, of(hello.rank).incarnation, shares_memory_with_rank_0(hello.rank), options_.encryption);
}

std::vector<TableEntry> Roster::table() const {
    std::vector<TableEntry> table{self_};
    for (Rank rank = 1; rank < options_.size; ++rank) {
        if (!has(rank)) continue;
        const Info& info = of(rank);
        table.push_back({info.who, info.incarnation, info.data_address, info.local_host, info.local_name});
    }
    return table;
}

std::optional<Refusal> Roster::apart() const {
    for (Rank rank = 1; rank < options_.size; ++rank)
        if (!shares_memory_with_rank_0(rank))
            return refusal(
                text(of(rank).who, " and ", self_.who,
                     " cannot share memory, because they run on two machines, in two network namespaces or as "
                     "two users; use the transport auto, or tcp"));
    return std::nullopt;
}

Refusal Roster::missing(const std::string& address, const Failures& failures) const {
    std::string ranks;
    int count = 0;
    for (Rank rank = 1; rank < options_.size; ++rank) {
        if (has(rank)) continue;
        ranks += text(ranks.empty() ? "" : ", ", rank);
        ++count;
    }
    std::string knocked;
    if (failures.proofs > 0) knocked += text(" (", failures.proofs, " connections could not prove the token)");
    if (failures.tls > 0) knocked += text(" (", failures.tls, " connections proved it, but TLS did not begin)");
    return refusal(text(count == 1 ? "rank " : "ranks ", ranks, " of ", options_.size, " did not join the job at ",
                        address, " within ", options_.rendezvous_seconds, " s", knocked,
                        "; see the logs of the missing ranks, or raise the rendezvous deadline"));
}

Refusal Roster::difference() const {
    std::string what;
    for (const Rank rank : differing_) {
        const Info& info = of(rank);
        if (!what.empty()) what += "; ";
        if (info.build != options_.build)
            what += text(info.who, " runs build '", info.build, "', ", self_.who, " runs '", options_.build, "'");
        else
            what += text("the configuration of ", info.who, " differs from that of ", self_.who, ": ",
                         explain_difference(options_, options_.config, info.config));
    }
    return refusal(what + "; start all ranks with the same build and configuration", true);
}

Refusal Roster::left(Rank rank, const std::string& why) const {
    return refusal(text(of(rank).who, " left during the rendezvous: ", why, "; see its log and start the job again"));
}

Refusal Roster::unconnected(const std::vector<Rank>& ranks) const {
    std::string who;
    for (const Rank rank : ranks) who += text(who.empty() ? "" : ", ", of(rank).who);
    return refusal(text("these ranks met, but could not connect to all others: ", who,
                        "; check that a firewall lets the workers reach one another on any port"));
}

Refusal Roster::words_for(Rank rank, Refusal words) const {
    if (words.is_config && of(rank).build == options_.build && of(rank).config != options_.config)
        words.config = options_.config;
    return words;
}

}  // namespace firecaffe::comm
