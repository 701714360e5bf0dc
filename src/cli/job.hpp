// SPDX-License-Identifier: Apache-2.0
// This process as one worker of a job: from what the launcher says to a transport.
#pragma once

#include <memory>
#include <optional>

#include "cli/launch_environment.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/train/options.hpp"

namespace firecaffe::cli {

/// Joins the job that `launch` describes; null for a job of one. Throws what join_tcp and token reading throw.
std::shared_ptr<comm::Transport> join_job(const LaunchInfo& launch, const TrainOptions& options);

/// True once SIGINT, SIGTERM or SIGUSR1 has come, after catch_stop_signals(). A second signal ends the process, and so
/// does the first one inside of join_job: one line, exit status 75.
bool stop_was_requested() noexcept;
void catch_stop_signals();

}  // namespace firecaffe::cli
