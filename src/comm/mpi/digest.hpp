// SPDX-License-Identifier: Apache-2.0
// A number for what all ranks must mean alike. MPI carries no words of ours that tell one operation from another.
#pragma once

#include <cstdint>

#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// Of what both ends of a transfer must agree on; other operations have other numbers but for chance.
inline std::uint64_t digest_of(const OperationTag& tag) {
    std::uint64_t digest = 0;
    for (const std::uint64_t value : {tag.sequence, std::uint64_t{tag.bucket}, std::uint64_t{tag.step}, tag.count,
                                      static_cast<std::uint64_t>(tag.dtype)}) {
        digest = (digest ^ value) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing (Knuth, volume 3, section 6.4)
        digest ^= digest >> 32;
    }
    return digest;
}

}  // namespace firecaffe::comm
