// SPDX-License-Identifier: Apache-2.0
// MpiGroup: the ranks of an MPI communicator, and sums over them that MPI forms while somebody tests for their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "firecaffe/core/dtype.hpp"

namespace firecaffe::comm {

/// Calls come from one thread at a time. Nothing here blocks.
class MpiGroup {
  public:
    virtual ~MpiGroup() = default;
    virtual int size() const = 0;

    /// Starts a sum, in place. All ranks start the same sums in the same order; `digest` says which this is, and test()
    /// throws if the ranks' differ. Only when the one before is complete.
    virtual void start_sum(std::byte* values, std::size_t count, DType dtype, std::uint64_t digest) = 0;

    /// Lets MPI work a little; true when what was started is complete. A new group has something under way too: its
    /// communicator. Throws PeerLostError with MPI's words, after which the group is of no use.
    virtual bool test() = 0;

    /// Gives the communicator back, on all ranks alike, when nothing is under way. Without it the communicator stays
    /// until MPI ends: to free it takes all ranks.
    virtual void close() noexcept = 0;
};

/// A group of the ranks of a communicator, which is duplicated so that nobody else's messages meet ours. All its ranks
/// call it alike. `communicator` is what MPI_Comm_c2f makes of it; none: MPI_COMM_WORLD. Throws ConfigError if this
/// library was built without MPI or MPI is not initialised, and UsageError as MpiSession does.
std::unique_ptr<MpiGroup> make_mpi_group(std::optional<int> communicator);

}  // namespace firecaffe::comm
