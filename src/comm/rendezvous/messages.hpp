// SPDX-License-Identifier: Apache-2.0
// What ranks tell each other during the rendezvous, after the handshake.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/transport/channel.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"
#include "firecaffe/comm/rendezvous/join.hpp"

namespace firecaffe::comm {

/// A rank about itself.
struct Info {
    PeerInfo who;
    int size = 0;
    std::uint64_t incarnation = 0;
    std::string data_address;            // "10.0.0.3:40213"; empty for rank 0, which is reached where it was met
    std::string local_host, local_name;  // as in LocalDoor
    std::string build, config;
    Encryption encryption = Encryption::none;  // in which it says this; not part of the message
};

/// Why the rendezvous ends without a mesh.
struct Refusal {
    bool is_config = false;  // ConfigError, else UnavailableError
    std::string text;
    std::optional<std::string> config;  // rank 0's, for a rank whose own differs
    PeerInfo rank_0;
};

struct TableEntry {
    PeerInfo who;
    std::uint64_t incarnation = 0;
    std::string data_address;
    std::string local_host, local_name;
};

WireWriter write(const Info& info);
WireWriter write(const Refusal& refusal);
WireWriter write(const std::vector<TableEntry>& table);

/// Empty if the bytes are not such a message.
std::optional<Info> read_info(const Message& message);
std::optional<Refusal> read_refusal(const Message& message);
std::optional<std::vector<TableEntry>> read_table(const Message& message);

/// Whether this hello opens the connection for data that a rank of this incarnation is to open, which shares memory
/// with the one that it asks for, or does not.
bool opens_data(const Hello& hello, std::uint64_t incarnation, bool shares_memory, Encryption encryption);

/// The difference of two configurations in words: the caller's own, or the first place that differs.
std::string explain_difference(const JoinOptions& options, std::string_view mine, std::string_view theirs);

/// Throws what the refusal says, in the words for this rank.
[[noreturn]] void throw_refusal(const Refusal& refusal, const JoinOptions& options, const PeerInfo& self);

/// This process.
PeerInfo describe_self(Rank rank);

}  // namespace firecaffe::comm
