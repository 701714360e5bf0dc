// SPDX-License-Identifier: Apache-2.0
// Notes: what two ranks of one host tell each other over the local socket beside the memory that they share. A note is
// 16 bytes, and a descriptor may come with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

enum class NoteKind : std::uint32_t {
    bell = 1,      ///< look at the memory: something has changed
    link_memory,   ///< the memory of the link itself; comes first, once, with its descriptor
    region,        ///< memory in which buffers of the sender lie, with its descriptor
    region_freed,  ///< that memory is not used any more
};

struct Note {
    NoteKind kind = NoteKind::bell;
    std::uint32_t region = 0;  ///< number of the region, from 1
    std::uint64_t bytes = 0;   ///< its size
};
static_assert(sizeof(Note) == 16);

/// Sends a note, with a descriptor beside it if that is not -1; false if the socket does not take it now.
bool send_note(int socket, const Note& note, int descriptor = -1);

/// Takes notes from a socket.
class NoteReader {
  public:
    /// Hands all notes that have arrived to `take`; never blocks. False once the stream has ended, `why` says how.
    bool read(int socket, const std::function<void(const Note&, UniqueFd)>& take, std::string& why);

  private:
    std::array<std::byte, sizeof(Note)> bytes_{};
    std::size_t received_ = 0;
    UniqueFd descriptor_;
};

}  // namespace firecaffe::comm
