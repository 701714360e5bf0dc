// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

std::string to_string(const PeerInfo& peer) {
    return text("rank ", peer.rank, " (host ", peer.host, ", pid ", peer.pid, ")");
}

std::string to_string(const OperationTag& tag) {
    const std::string number = text(" (all-reduce #", tag.sequence, ")");
    switch (tag.bucket) {
        case kTestFiguresBucket:
            return "the exchange of test figures" + number;
        case kResumeBucket:
            return "the comparison of checkpoints" + number;
        case kBenchFiguresBucket:
            return "the exchange of measured figures" + number;
        case kProbeBucket:
            return "a message that measures the network" + number;
        case kAverageBucket:
            return "what the workers average where they meet" + number;
        case kNcclBucket:
            return "the exchange of NCCL's id" + number;
        case kFactorsBucket:
            return "the comparison of products of factors" + number;
        case kGpuBucket:
            return "the exchange of handles of GPU memory" + number;
        case kStaleBucket:
            return text("message #", tag.sequence, " of the stale server");
        default:
            return text("bucket ", tag.bucket, " of step ", tag.step, number);
    }
}

std::size_t Transport::wait_any(std::span<Transfer* const>, Rank) {
    throw UnavailableError("rank ", rank(),
                           ": this transport waits for single transfers only; use one that implements ",
                           "wait_any(), as those of this library between threads and processes do");
}

}  // namespace firecaffe::comm
