// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/transport.hpp"
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
        default:
            return text("bucket ", tag.bucket, " of step ", tag.step, number);
    }
}

}  // namespace firecaffe::comm
