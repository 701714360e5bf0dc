// SPDX-License-Identifier: Apache-2.0
// Ways: how device memory gets from rank to rank, on which all ranks agree before the first sum.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "comm/device/device_memory.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

enum class Way {
    lent,    ///< the receiver reads it where the sender has it
    staged,  ///< copied through the host's memory of both
};

struct Ways {
    std::vector<Way> to;       ///< per rank; one's own is lent
    std::string refusal;       ///< why two ranks of one host do not lend, naming them; empty: all do, or none may
    int lenders = 0;           ///< other ranks that lend to this one, and borrow
    bool other_hosts = false;  ///< some rank is on another host than this one
};

/// Finds out by trying: each rank shows a piece of memory with a number of its own in it, and the others of its host
/// read it. Two ranks lend to each other if both could. `refusal`, if not empty, says why this rank must not try. All
/// ranks must call it with tags that are equal; they get the same refusal. Throws what Transport::wait throws. Within
/// enter() and leave().
Ways agree_on_ways(Transport& transport, DeviceMemory& device, std::string_view refusal, const OperationTag& tag);

}  // namespace firecaffe::comm
