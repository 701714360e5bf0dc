// SPDX-License-Identifier: Apache-2.0
// The checksum of frames and messages: XXH3 with 64 bits, of libxxhash. It is against chance, not against people; those
// the handshake keeps out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace firecaffe::comm {

std::uint64_t checksum(std::span<const std::byte> bytes);

/// The same of bytes that come piece by piece.
class RunningChecksum {
  public:
    RunningChecksum();
    RunningChecksum(RunningChecksum&&) noexcept;
    RunningChecksum& operator=(RunningChecksum&&) noexcept;
    ~RunningChecksum();

    void add(std::span<const std::byte> bytes);
    /// Of all that was added; then it starts anew.
    std::uint64_t take();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace firecaffe::comm
