// SPDX-License-Identifier: Apache-2.0
// Which neighbouring ranks share a host, by the hosts' names.
#pragma once

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

struct HostBlocks {
    int ranks_per_host = 1;  ///< neighbouring ranks of rank 0's host
    Rank misfit = -1;        ///< the first rank that breaks the rule; -1: hosts have as many each, the last one or fewer
};

inline HostBlocks find_host_blocks(const Transport& transport) {
    const auto host = [&](Rank rank) { return transport.peer(rank).host; };
    HostBlocks blocks;
    int& each = blocks.ranks_per_host;
    while (each < transport.size() && host(each) == host(0)) ++each;
    for (Rank rank = 1; rank < transport.size() && blocks.misfit < 0; ++rank)
        if ((host(rank) == host(rank - 1)) != (rank % each != 0)) blocks.misfit = rank;
    return blocks;
}

}  // namespace firecaffe::comm
