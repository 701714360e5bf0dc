// SPDX-License-Identifier: Apache-2.0
// dial: opens one connection and proves both ends; in TLS, if the hello says so.
#pragma once

#include <string>

#include "comm/transport/connection.hpp"
#include "firecaffe/comm/rendezvous/handshake.hpp"

namespace firecaffe::comm {

struct Dialled {
    Connection connection{};  // empty on failure
    std::string why{};        // the failure
    std::string cure{};       // may be empty: the caller knows better
    bool final = false;       // trying again is of no use: the other end answered and said no, or is not one of us
};

/// Blocks until both ends know that the handshakes are through, or until `deadline`. Throws what begin_tls throws.
Dialled dial(const SocketAddress& address, const JobKeys& keys, const Hello& hello, Time deadline);

}  // namespace firecaffe::comm
