// SPDX-License-Identifier: Apache-2.0
// Sockets: descriptors that close themselves, addresses, and the few calls that rendezvous and transport share. Every
// socket made here is non-blocking and closed by exec.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/transport/clock.hpp"

namespace firecaffe::comm {

class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// The system's words for an error number.
std::string error_text(int number);

/// "its connection closed" and the like; 0 stands for an orderly end. Whether a dying process leaves an end or a reset
/// is chance, so both have the same words and all survivors agree.
std::string describe_end(const char* what, int number);

/// True for the numbers that mean "try again later".
bool would_block(int number);

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    bool is_any() const;
    /// Only this machine can reach it.
    bool is_loopback() const;
    int port() const;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// "127.0.0.1:4242", "[::1]:4242" or "local socket NAME".
std::string to_string(const SocketAddress& address);

struct HostAndPort {
    std::string host;
    int port = 0;
};

/// A local socket's address with an abstract name, which is no file.
SocketAddress local_socket_address(const std::string& name);

/// Splits "host:port", "[v6]:port" or "host" (port 0). Throws UsageError, naming `origin`.
HostAndPort split_host_port(const std::string& text, const std::string& origin);

/// The addresses of a host, in the system's order. Throws UnavailableError if there is none.
std::vector<SocketAddress> resolve(const HostAndPort& where);

/// Binds and listens. Throws UnavailableError; a port in use is named together with its holder.
UniqueFd listen_at(const SocketAddress& address);

/// Address of this end of a socket. Throws UnavailableError if `fd` is no internet socket.
SocketAddress local_address(int fd);

/// Connects; on failure the descriptor is empty and `why` says why.
UniqueFd connect_to(const SocketAddress& address, Time deadline, std::string& why);

/// Blocks until `fd` has one of `events` (poll's flags) or the deadline; false at the deadline.
bool wait_for(int fd, short events, Time deadline);

/// Whole buffers on a non-blocking socket. False on error, end of stream or at the deadline; then `why` says which.
bool read_exactly(int fd, std::span<std::byte> bytes, Time deadline, std::string& why);
bool write_exactly(int fd, std::span<const std::byte> bytes, Time deadline, std::string& why);

/// Small frames at once, an end for a peer whose machine vanished, and no pacing within this host; over a network, little
/// that is taken from us long before it leaves. `control`: what is sent must be taken from us
/// within `limit`; not for data, where a peer may be busy for long and leave its window closed.
void tune(int fd, bool control, Clock::duration limit);

}  // namespace firecaffe::comm
