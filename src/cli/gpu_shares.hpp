// SPDX-License-Identifier: Apache-2.0
// Which GPU a worker uses, and what is to be said to NCCL where several use one.
#pragma once

#include "cli/launch_environment.hpp"

namespace firecaffe::cli {

/// The number of this host's GPUs. Throws DeviceError where there is none.
int require_gpu();

/// The calling thread uses the GPU of the worker with this number among those of its host: that number, modulo the GPUs
/// there are. Throws DeviceError where there is none.
void use_gpu_of(int local_rank);

/// NCCL takes each worker for one on a host of its own, so that it does not refuse to share a GPU: they then reach each
/// other through sockets only, those of one host through its loopback. By variables of this process' environment, of
/// which those that are set stay, but for NCCL_HOSTID. Before NCCL is first used, and while there is but one thread.
void let_nccl_share_gpus(const LaunchInfo& launch);

/// Throws UsageError where `workers` of this host are more than its GPUs, unless they `share`: NCCL wants one for each.
void require_gpu_for_each(int workers, bool share);

}  // namespace firecaffe::cli
