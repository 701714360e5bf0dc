// SPDX-License-Identifier: Apache-2.0
// The transport between ranks that are threads of one process: for tests, for simulations of a cluster on one machine,
// and for programs that keep one replica per thread. A transfer is one copy from the sender's buffer to the receiver's.
//
//   auto transports = make_thread_transports(4);
//   for (int r = 0; r < 4; ++r) threads.emplace_back(worker, std::move(transports[r]));
//
// A rank is lost for the others when
//   - its last reference goes away before close(): an exception has unwound its thread;
//   - it was waited for, and for `deadline_seconds` it posted nothing, returned from no wait and called no
//     note_progress(). Ranks that wait for others themselves are not blamed: the one at the end of the chain is;
//   - its transfer meets one with another tag or length. The error names both operations;
//   - it called abort().
// The first such event ends the group: from then on every wait on every rank throws the same reason, except that a wait
// for a transfer that is already complete still succeeds, unless abort() was called.
#pragma once

#include <memory>
#include <vector>

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

struct ThreadTransportOptions {
    double deadline_seconds = 10.0;  ///< a rank that shows no sign for this long, while waited for, is lost
};

/// One transport per rank; entry r is meant for the thread that is rank r. Throws UsageError unless ranks >= 1 and the
/// deadline is positive. post_send and post_receive throw UsageError for a rank outside the group or oneself.
std::vector<std::shared_ptr<Transport>> make_thread_transports(int ranks, ThreadTransportOptions options = {});

}  // namespace firecaffe::comm
