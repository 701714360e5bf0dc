// SPDX-License-Identifier: Apache-2.0
// The checksum of frames and messages: XXH3 with 64 bits, of libxxhash. It is against chance, not against people; those
// the handshake keeps out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct XXH3_state_s;  // of libxxhash

namespace firecaffe::comm {

std::uint64_t checksum(std::span<const std::byte> bytes);

/// Half of it, where there is room for no more.
inline std::uint32_t short_checksum(std::span<const std::byte> bytes) {
    return static_cast<std::uint32_t>(checksum(bytes));
}

/// The checksum of bytes that come piece by piece.
class RunningChecksum {
  public:
    RunningChecksum();

    void add(std::span<const std::byte> bytes);
    /// Of all that was added; then it starts anew.
    std::uint64_t take();

  private:
    struct Free {
        void operator()(XXH3_state_s* state) const;
    };
    std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace firecaffe::comm
