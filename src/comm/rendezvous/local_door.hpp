// SPDX-License-Identifier: Apache-2.0
// LocalDoor: where the other ranks of this host find this one, and how two of them come to share memory.
//
// The door is a local socket with an abstract name, so no file stays behind when the process dies. Who enters proves
// the token as over TCP (lobby.hpp), and the kernel says that it is a process of the same user. Then the rank that
// entered sends the memory of the link (shared_link.hpp).
#pragma once

#include <string>

#include "comm/transport/shared_link.hpp"
#include "comm/transport/socket.hpp"
#include "firecaffe/comm/transport/kind.hpp"

namespace firecaffe::comm {

struct LocalDoor {
    /// What processes must have in common to share memory: machine, network namespace (in which local sockets have
    /// their names) and user. Empty: this process shares none.
    std::string host;
    std::string name;  ///< of the socket
    UniqueFd listener;
};

/// Opens a door; without one, for tcp, and for automatic where the system does not let us. Throws UnavailableError for
/// shared_memory where it does not.
LocalDoor open_local_door(TransportKind kind);

/// Ranks with such words about themselves share memory.
inline bool share_memory(const std::string& host, const std::string& other_host) {
    return !host.empty() && host == other_host;
}

/// Offers memory to the rank at the other end of a proved local socket, or takes what it offers. Blocks, until
/// `deadline` at most. Throw UnavailableError.
SharedEnds offer_memory(UniqueFd socket);
SharedEnds accept_memory(UniqueFd socket, Time deadline);

}  // namespace firecaffe::comm
