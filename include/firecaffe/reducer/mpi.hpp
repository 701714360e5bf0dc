// SPDX-License-Identifier: Apache-2.0
// The reducer "mpi": MPI's own all-reduce.
#pragma once

#include <memory>
#include <optional>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// A Reducer named "mpi": MPI_Iallreduce over the ranks of a communicator, which are those of the transport in any
/// order. MPI chooses the algorithm and its order of additions, so it is not canonical. A rank brings one partial sum
/// per maximal node of its block of shards, which are added left to right, or one buffer of any content if its block is
/// empty, which counts as zeros.
///
/// MPI carries the sums and the transport carries the rest: a rank that is lost, or that aborts, is named as for other
/// reducers if the transport can tell (Transport::check). A sum that takes longer than options.stall_seconds throws
/// PeerLostError as well. A sum that MPI has begun cannot be called back: after PeerLostError this rank makes no call
/// to MPI any more, but another may still write into the request's memory if it is reached directly (RDMA); end the
/// process. statistics().bytes_sent counts what the transport sent; MPI does not tell.
///
/// All ranks call it alike, while MPI is running: see comm/mpi.hpp. `communicator` is what MPI_Comm_c2f makes of the
/// communicator; none: MPI_COMM_WORLD. close() closes the transport. Throws ConfigError if the library was built
/// without MPI or MPI is not initialised, UnavailableError if the communicator has another size than the transport, and
/// UsageError for a null transport, shards < 1 or stall_seconds that are no positive number.
std::unique_ptr<Reducer> make_mpi_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                          const ReducerOptions& options = {}, std::optional<int> communicator = {});

}  // namespace firecaffe
