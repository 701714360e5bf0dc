// SPDX-License-Identifier: Apache-2.0
// The transport that join_mpi makes, once the ranks know each other.
#pragma once

#include <memory>
#include <vector>

#include "comm/mpi/calls.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// What the ranks share after they have joined. The transport owns the communicators; errors in them are returned.
struct MpiMesh {
    MPI_Comm data = MPI_COMM_NULL;
    MPI_Comm control = MPI_COMM_NULL;  ///< for the words of a rank that gives up
    Rank rank = 0;
    std::vector<PeerInfo> peers;
    double deadline_seconds = 10.0;  ///< to wait for the others in close()
    double stall_seconds = 120.0;    ///< to wait for a transfer
};

std::shared_ptr<Transport> make_mpi_transport(MpiMesh mesh);

}  // namespace firecaffe::comm
