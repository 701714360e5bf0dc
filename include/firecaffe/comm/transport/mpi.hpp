// SPDX-License-Identifier: Apache-2.0
// join_mpi: the ranks that mpirun started become a Transport over MPI's own messages (MPI_Isend, MPI_Irecv), so that
// every plan runs on whatever network MPI knows, the canonical ones too. They need no address at which to meet.
//
// What differs from TCP: MPI shows nobody whether another rank is alive, so there are no heartbeats. If a process dies,
// mpirun ends the others. Who waits for a rank longer than stall_seconds gives it up, tells all, and so do they. MPI
// moves bytes only while some rank waits; and what was posted cannot be called back: after PeerLostError MPI may still
// hold the buffers of transfers that were under way, so end the process.
#pragma once

#include <memory>
#include <optional>

#include "firecaffe/comm/rendezvous/join.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// Joins the ranks of a communicator; all of them call it alike, while MPI is running (comm/mpi.hpp). `communicator` is
/// what MPI_Comm_c2f makes of it; none: MPI_COMM_WORLD. Rank and size are MPI's: options.size must be that size, and
/// rank, address, bind_host, listen_fd and token are not looked at. Blocks until all have come, or throws
/// UnavailableError after rendezvous_seconds. Otherwise throws what join_tcp throws where jobs, builds or
/// configurations differ, on all ranks; ConfigError without MPI.
std::shared_ptr<Transport> join_mpi(const JoinOptions& options, std::optional<int> communicator = {});

}  // namespace firecaffe::comm
