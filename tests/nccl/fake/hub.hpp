// SPDX-License-Identifier: Apache-2.0
// The hub of a fake communicator: a thread in the process of the rank that made the id. All ranks send it what they
// have, it adds that up in the order of ranks, and sends all of them the sum.
#pragma once

#include <cstdint>
#include <optional>

#include "comm/nccl/api.hpp"

namespace fake_nccl {

/// What a unique id says.
struct Address {
    std::uint32_t magic = 0xfa4e;
    std::uint16_t port = 0;
    std::uint64_t secret = 0;  ///< so that nobody else's connection is taken for a rank's
};

/// What a rank says first.
struct Hello {
    std::uint64_t secret = 0;
    std::int32_t rank = 0, ranks = 0;
};

/// What precedes the elements of a sum, on their way to the hub.
struct Header {
    std::uint64_t count = 0;
    std::int32_t type = 0;
};

inline std::size_t size_of(std::int32_t type) {
    return type == static_cast<int>(firecaffe::comm::nccl::DataType::float64) ? 8 : 4;
}

/// Starts the thread, which ends when a rank leaves, or when after a minute not all have come. None without a port.
std::optional<Address> start_hub();

}  // namespace fake_nccl
