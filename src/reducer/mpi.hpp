// SPDX-License-Identifier: Apache-2.0
// The reducer "mpi" over any group, so that tests can give it one that fails.
#pragma once

#include <memory>

#include "comm/mpi/group.hpp"
#include "firecaffe/reducer/mpi.hpp"

namespace firecaffe {

/// As make_mpi_reducer, over this group.
std::unique_ptr<Reducer> make_group_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                            const ReducerOptions& options, std::unique_ptr<comm::MpiGroup> group);

}  // namespace firecaffe
