// SPDX-License-Identifier: Apache-2.0
// Blocking TCP on loopback: all that the fake NCCL needs of a network.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace fake_nccl {

/// Owns a descriptor.
class Socket {
  public:
    explicit Socket(int fd = -1) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

    /// Ends what is waiting in it, here and at the other end.
    void shut() const { ::shutdown(fd_, SHUT_RDWR); }

    /// All of it; false if the connection ends before.
    bool send(const void* data, std::size_t bytes) const {
        const auto* at = static_cast<const char*>(data);
        while (bytes > 0) {
            const ssize_t sent = ::send(fd_, at, bytes, MSG_NOSIGNAL);
            if (sent <= 0) return false;
            at += sent;
            bytes -= static_cast<std::size_t>(sent);
        }
        return true;
    }
    bool receive(void* data, std::size_t bytes) const {
        auto* at = static_cast<char*>(data);
        while (bytes > 0) {
            const ssize_t got = ::recv(fd_, at, bytes, 0);
            if (got <= 0) return false;
            at += got;
            bytes -= static_cast<std::size_t>(got);
        }
        return true;
    }

  private:
    int fd_;
};

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace fake_nccl
