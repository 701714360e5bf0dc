// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/messages.hpp"

#include <unistd.h>

#include <algorithm>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

void put(WireWriter& to, const PeerInfo& who) {
    to.put(static_cast<std::int32_t>(who.rank)).put(who.pid).put_text(who.host);
}

PeerInfo get_peer(WireReader& from) {
    PeerInfo who;
    who.rank = from.get<std::int32_t>();
    who.pid = from.get<std::int64_t>();
    who.host = from.get_text();
    return who;
}

}  // namespace

WireWriter write(const Info& info) {
    WireWriter body;
    put(body, info.who);
    body.put(static_cast<std::int32_t>(info.size)).put(info.incarnation).put_text(info.data_address);
    body.put_text(info.local_host).put_text(info.local_name);
    body.put_text(info.build).put_text(info.config);
    return body;
}

std::optional<Info> read_info(const Message& message) {
    if (message.type != MessageType::info) return std::nullopt;
    WireReader body(message.body);
    Info info;
    info.who = get_peer(body);
    info.size = body.get<std::int32_t>();
    info.incarnation = body.get<std::uint64_t>();
    info.data_address = body.get_text();
    info.local_host = body.get_text();
    info.local_name = body.get_text();
    info.build = body.get_text();
    info.config = body.get_text();
    if (!body.complete()) return std::nullopt;
    return info;
}

WireWriter write(const Refusal& refusal) {
    WireWriter body;
    body.put(static_cast<std::uint8_t>(refusal.is_config)).put_text(refusal.text);
    body.put(static_cast<std::uint8_t>(refusal.config.has_value())).put_text(refusal.config.value_or(""));
    put(body, refusal.rank_0);
    return body;
}

std::optional<Refusal> read_refusal(const Message& message) {
    if (message.type != MessageType::refuse) return std::nullopt;
    WireReader body(message.body);
    Refusal refusal;
    refusal.is_config = body.get<std::uint8_t>() != 0;
    refusal.text = body.get_text();
    const bool has_config = body.get<std::uint8_t>() != 0;
    std::string config = body.get_text();
    if (has_config) refusal.config = std::move(config);
    refusal.rank_0 = get_peer(body);
    if (!body.complete()) return std::nullopt;
    return refusal;
}

WireWriter write(const std::vector<TableEntry>& table) {
    WireWriter body;
    body.put(static_cast<std::uint32_t>(table.size()));
    for (const TableEntry& entry : table) {
        put(body, entry.who);
        body.put(entry.incarnation).put_text(entry.data_address);
        body.put_text(entry.local_host).put_text(entry.local_name);
    }
    return body;
}

std::optional<std::vector<TableEntry>> read_table(const Message& message) {
    if (message.type != MessageType::table) return std::nullopt;
    WireReader body(message.body);
    const auto count = body.get<std::uint32_t>();
    std::vector<TableEntry> table;
    for (std::uint32_t i = 0; i < count && table.size() < message.body.size(); ++i) {
        TableEntry& entry = table.emplace_back();
        entry.who = get_peer(body);
        entry.incarnation = body.get<std::uint64_t>();
        entry.data_address = body.get_text();
        entry.local_host = body.get_text();
        entry.local_name = body.get_text();
    }
    if (!body.complete()) return std::nullopt;
    return table;
}

bool opens_data(const Hello& hello, std::uint64_t incarnation, bool shares_memory, Encryption encryption) {
    return hello.role == (shares_memory ? ConnectionRole::local : ConnectionRole::data) &&
           hello.encryption == (shares_memory ? Encryption::none : encryption) && hello.incarnation == incarnation;
}

std::string explain_difference(const JoinOptions& options, std::string_view mine, std::string_view theirs) {
    if (options.explain_difference) return options.explain_difference(mine, theirs);
    const auto differ = std::mismatch(mine.begin(), mine.end(), theirs.begin(), theirs.end());
    const auto at = static_cast<std::size_t>(differ.first - mine.begin());
    const auto excerpt = [&](std::string_view config) {
        std::string part(config.substr(at - std::min<std::size_t>(at, 20), 60));
        std::replace(part.begin(), part.end(), '\n', ' ');
        return part;
    };
    return text("from character ", at, " on, '", excerpt(mine), "' here and '", excerpt(theirs), "' there");
}

void throw_refusal(const Refusal& refusal, const JoinOptions& options, const PeerInfo& self) {
    if (refusal.config && *refusal.config != options.config)
        throw ConfigError("the configuration of this process, ", self, ", differs from that of ", refusal.rank_0, ": ",
                          explain_difference(options, options.config, *refusal.config),
                          "; start all ranks with the same configuration");
    if (refusal.is_config) throw ConfigError(refusal.text);
    throw UnavailableError(refusal.text);
}

PeerInfo describe_self(Rank rank) {
    char host[256] = "";
    if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return {rank, "localhost", ::getpid()};
    return {rank, host, ::getpid()};
}

}  // namespace firecaffe::comm
