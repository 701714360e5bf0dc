// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/barrier.hpp"

namespace firecaffe::comm {

void barrier(Transport& transport, const OperationTag& tag) {
    const int ranks = transport.size();
    for (int distance = 1; distance < ranks; distance *= 2) {
        const auto send = transport.post_send((transport.rank() + distance) % ranks, tag, {});
        const auto receive = transport.post_receive((transport.rank() + ranks - distance) % ranks, tag, {});
        transport.wait(*receive);
        transport.wait(*send);
    }
}

}  // namespace firecaffe::comm
