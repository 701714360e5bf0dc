// SPDX-License-Identifier: Apache-2.0
// The two sides of a rendezvous: rank 0 gathers, the others attend. Both end with the connections of the mesh.
#pragma once

#include <algorithm>
#include <cstdint>

#include "comm/rendezvous/lobby.hpp"
#include "comm/rendezvous/messages.hpp"
#include "comm/transport/mesh.hpp"

namespace firecaffe::comm {

/// How long the ranks may take to connect to one another once they all have met.
inline Clock::duration mesh_time(const JoinOptions& options) {
    return seconds(std::max(options.deadline_seconds, 5.0));
}

/// Silence after which the system may end a connection by itself.
inline Clock::duration system_limit(const JoinOptions& options) {
    return seconds(std::max(1.0, options.deadline_seconds / 2));
}

/// A slowed link is a matter of TCP.
inline TransportKind data_transport(const JoinOptions& options) {
    return options.bytes_per_second > 0 ? TransportKind::tcp : options.transport;
}

/// Rank 0. `address` is for messages.
Mesh gather(const JoinOptions& options, UniqueFd listener, const JobKeys& keys, const std::string& address,
            Time deadline);

/// The others. The token may come from a file, hence apart from the options.
Mesh attend(const JoinOptions& options, Time deadline);

}  // namespace firecaffe::comm
