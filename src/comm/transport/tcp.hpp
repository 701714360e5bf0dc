// SPDX-License-Identifier: Apache-2.0
// The TCP transport: a data plane and a control plane over connections that the rendezvous has made and proved.
#pragma once

#include <memory>
#include <vector>

#include "comm/transport/channel.hpp"
#include "comm/transport/socket.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

struct TcpMesh {
    Rank rank = 0;
    std::vector<PeerInfo> peers;   ///< one per rank, this one included
    std::vector<UniqueFd> data;    ///< by rank; empty for this rank
    std::vector<Channel> control;  ///< by rank: rank 0 has one to each other rank, the others have one to rank 0
    double deadline_seconds = 10.0;
    double stall_seconds = 120.0;
};

/// Takes the connections over. A mesh of one rank needs none.
std::shared_ptr<Transport> make_tcp_transport(TcpMesh mesh);

}  // namespace firecaffe::comm
