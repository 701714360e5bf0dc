// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

std::string to_string(const PeerInfo& peer) {
    return text("rank ", peer.rank, " (host ", peer.host, ", pid ", peer.pid, ")");
}

}  // namespace firecaffe::comm
