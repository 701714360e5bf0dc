// SPDX-License-Identifier: Apache-2.0
// What runs behind a scheme's name: to look at before it runs, to prove it (comm::simulate) or to price it
// (comm::price).
#pragma once

#include <optional>

#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"

namespace firecaffe {

struct SchemeRun {
    comm::Plan plan;
    comm::ExecutorOptions executor;  ///< in chunks, or step by step
};

/// The plan that the reducer `options.type` runs on this group; none if it runs none, as "local", "mpi" and those of
/// other programs, or several, as "auto". Pure. Throws ConfigError as ReducerRegistry::make, UsageError for shards < 1.
std::optional<SchemeRun> find_scheme(const ReducerOptions& options, const comm::Transport& transport, int shards);

}  // namespace firecaffe
