// SPDX-License-Identifier: Apache-2.0
// The reducer of a single worker: no thread, no transport.
#pragma once

#include <functional>
#include <memory>

#include "firecaffe/reducer/reducer.hpp"

namespace firecaffe {

/// A Reducer named "local", of size 1. submit() adds the partial sums along the canonical tree over them, as if each
/// were one shard, into partials[0], and is done; with one partial it has nothing to do. A worker may so bring the sum
/// of its whole batch, or one partial per shard. The other partials hold scratch afterwards. It gathers, too: a single
/// rank has all parts. submit() throws UsageError for no partials, null memory, a dtype other than float32 and float64,
/// a request to gather that is none (ReduceRequest::gathered_shards), or after close(); wait() for an unknown ticket.
/// `on_progress` is called by note_progress(), on its thread; it may not throw.
std::unique_ptr<Reducer> make_local_reducer(std::function<void()> on_progress = {});

/// The same for partial sums in the memory of the GPU that the calling thread uses. It never waits for the GPU:
/// submit() queues the additions on the current stream of the thread that calls it, behind ReduceRequest::ready, and
/// one partial needs none. wait() returns at once, so the sum is there for what is queued on that stream after
/// submit(), and for the host when that stream has been waited for. submit() also throws DeviceError.
std::unique_ptr<Reducer> make_local_reducer_on_gpu(std::function<void()> on_progress = {});

}  // namespace firecaffe
