// SPDX-License-Identifier: Apache-2.0
// What those who call MPI share. Nothing but the files of this folder includes mpi.h.
#pragma once

#include <mpi.h>

#include <optional>

namespace firecaffe::comm {

inline constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  ///< elements of one call; MPI counts in int

/// Initialised, and not finalised.
bool mpi_is_running();

/// The communicator that MPI_Comm_c2f turned into this number, or MPI_COMM_WORLD. Throws ConfigError if MPI has not
/// been initialised, and UsageError if it has been finalised or must not be called by several threads in turn.
MPI_Comm running_communicator(std::optional<int> number);

/// Throws PeerLostError with the name of the call and MPI's words for the error, if it is one.
void check_mpi(const char* call, int error);

}  // namespace firecaffe::comm
