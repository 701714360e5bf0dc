// SPDX-License-Identifier: Apache-2.0
// The reducer "nccl": the all-reduce of NVIDIA's NCCL, which is loaded when it is asked for. The build needs neither
// NCCL nor CUDA.
#pragma once

#include <memory>
#include <string>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/reducer/options.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// Where NCCL is looked for: what the environment variable FIRECAFFE_NCCL_LIBRARY says, else libnccl.so.2, wherever the
/// system looks for libraries. No configuration file can say it, because a library is code that runs.
std::string nccl_library();

/// Whether that library sums the memory of GPUs, as NVIDIA's does, or that of the host. Throws ConfigError if it cannot
/// be loaded or is too old.
bool nccl_sums_gpus(const std::string& library = nccl_library());

/// A Reducer named "nccl": ncclAllReduce over the ranks of the transport. NCCL chooses the algorithm and its order of
/// additions, so it is not canonical. A rank brings one partial sum per maximal node of its block of shards, which are
/// added left to right, or one buffer of any content if its block is empty, which counts as zeros. It is the plain sum,
/// as every Reducer gives it: the optimizer makes means, so NCCL's pre-multiplied sum would save nothing.
///
/// NVIDIA's NCCL sums the memory of GPUs and needs options.on_gpu: partials are in the memory of the GPU that the calling
/// thread uses now, and each rank needs a GPU of its own. The sum is queued on a stream of the reducer, of high priority,
/// behind ReduceRequest::ready, and wait() returns when the GPU has completed it. A library may declare that it sums the
/// host's memory instead, as that of our tests does.
///
/// options.algorithm becomes the environment variable NCCL_ALGO of this process, which NCCL reads when it makes a
/// communicator: one that is stated is for all of the process, and another value there is refused. What else NCCL takes
/// from the environment stays as the user has it, such as NCCL_MIN_CTAS and NCCL_MAX_CTAS, which bound how many blocks
/// of the GPU it keeps from computing.
///
/// NCCL carries the sums and the transport carries the rest: NCCL's unique id, and before each sum a message that all
/// ranks have come to this one, so a rank that is late, lost or of another mind is named as for other reducers and
/// never leaves NCCL waiting. A communicator or a sum that all ranks have begun and that NCCL has not completed after
/// options.stall_seconds, or of which NCCL reports an error, ends the reducer on all ranks: they are told over the
/// transport, each aborts its communicator from a thread of its own, and all throw PeerLostError with the same cause.
/// Calls into NCCL that have not returned options.deadline_seconds after that are left behind; then the message says
/// so, NCCL may still write into the memory of that request, and the process should end. statistics().bytes_sent counts
/// what the transport sent; NCCL does not tell.
///
/// All ranks call it alike. It only loads the library; the communicator is made by the first request. close() closes
/// the transport. Throws ConfigError if the library cannot be loaded or is too old, if it sums other memory than that
/// in which options.on_gpu says that gradients are, where there is no GPU, and for an options.algorithm that differs
/// from the NCCL_ALGO of the process; UsageError for a null transport, shards < 1, or stall_seconds or deadline_seconds
/// that are no positive number. wait() also throws DeviceError, for what the GPU answers; then the other ranks hear of
/// it.
std::unique_ptr<Reducer> make_nccl_reducer(std::shared_ptr<comm::Transport> transport, int shards,
                                           const ReducerOptions& options = {},
                                           const std::string& library = nccl_library());

}  // namespace firecaffe
