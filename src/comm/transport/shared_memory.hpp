// SPDX-License-Identifier: Apache-2.0
// SharedMemory: memory without a name. Who is handed its descriptor can map it, nobody else finds it, and it is gone
// with the last process that has it. It is no file of /dev/shm, so the size of that does not matter.
#pragma once

#include <cstddef>

#include "comm/transport/socket.hpp"

namespace firecaffe::comm {

class SharedMemory {
  public:
    enum class Access { read, write };

    SharedMemory() = default;
    SharedMemory(SharedMemory&& other) noexcept;
    SharedMemory& operator=(SharedMemory&& other) noexcept;
    ~SharedMemory();

    /// New, zero-filled, and of a size that nobody can change. Throws UnavailableError; std::bad_alloc without room.
    static SharedMemory create(std::size_t bytes);
    /// What a peer created. Throws UnavailableError unless it has `bytes` bytes that nobody can take away, because
    /// touching memory that has gone would end this process.
    static SharedMemory open(UniqueFd fd, std::size_t bytes, Access access);

    std::byte* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }
    int fd() const { return fd_.get(); }

  private:
    SharedMemory(UniqueFd fd, std::size_t bytes, Access access);

    UniqueFd fd_;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace firecaffe::comm
