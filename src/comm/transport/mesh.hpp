// SPDX-License-Identifier: Apache-2.0
// The transport between processes: a data plane and a control plane over connections that the rendezvous has made and
// proved. Data go through shared memory to ranks of the same host and over TCP to others; control always goes over TCP.
#pragma once

#include <memory>
#include <vector>

#include "comm/transport/channel.hpp"
#include "comm/transport/connection.hpp"
#include "comm/transport/shared_link.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

struct Mesh {
    Rank rank = 0;
    std::vector<PeerInfo> peers;     ///< one per rank, this one included
    std::vector<Connection> data;    ///< by rank; empty for this rank, and for those that memory is shared with
    std::vector<SharedEnds> shared;  ///< by rank; without a socket where `data` has one. May be shorter, or empty
    std::vector<Channel> control;    ///< by rank: rank 0 has one to each other rank, the others have one to rank 0
    double bytes_per_second = 0.0;   ///< of the connections together, each way; 0: as many as there are
    double deadline_seconds = 10.0;
    double stall_seconds = 120.0;
};

/// Takes the connections over. A mesh of one rank needs none.
std::shared_ptr<Transport> make_mesh_transport(Mesh mesh);

}  // namespace firecaffe::comm
