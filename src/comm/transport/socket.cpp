// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

// The inode of the socket that listens on a TCP port, from the kernel's table; empty if none is seen.
std::string listening_inode(int port) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream file(table);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) {
            std::istringstream fields(line);
            std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
            fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
            const auto colon = local.rfind(':');
            if (state != "0A" || colon == std::string::npos) continue;  // 0A: listening
            int found = 0;
            std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
            if (found == port) return inode;
        }
    }
    return {};
}

// " (held by pid 4711, python3)" if the system lets us see it, else nothing.
std::string describe_holder(int port) {
    const std::string inode = listening_inode(port);
    if (inode.empty()) return {};
    const std::string wanted = text("socket:[", inode, "]");
    std::error_code error;
    for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
        const std::string pid = process.path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        std::error_code ignored;
        std::filesystem::directory_iterator entry(process.path() / "fd", ignored), end;
        for (; !ignored && entry != end; entry.increment(ignored)) {
            std::error_code unreadable;
            if (std::filesystem::read_symlink(entry->path(), unreadable).string() != wanted) continue;
            std::string name;
            std::ifstream comm(process.path() / "comm");
            std::getline(comm, name);
            return text(" (held by pid ", pid, name.empty() ? "" : ", ", name, ")");
        }
    }
    return {};
}

const sockaddr_in& v4(const sockaddr_storage& s) {
    return reinterpret_cast<const sockaddr_in&>(s);
}
const sockaddr_in6& v6(const sockaddr_storage& s) {
    return reinterpret_cast<const sockaddr_in6&>(s);
}

// What the system takes from us ahead of what the network has taken. Megabytes of it, which it would take otherwise,
// would count as sent, and the next round's message would share the link with them. This is 40 us of 100 Gbit/s.
constexpr int kMostUnsent = 512 << 10;

bool ends_on_this_host(int fd) {
    SocketAddress here, there;
    here.length = there.length = sizeof here.storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&here.storage), &here.length) != 0 ||
        ::getpeername(fd, reinterpret_cast<sockaddr*>(&there.storage), &there.length) != 0)
        return false;
    if (here.storage.ss_family == AF_INET) return v4(here.storage).sin_addr.s_addr == v4(there.storage).sin_addr.s_addr;
    return here.storage.ss_family == AF_INET6 &&
           IN6_ARE_ADDR_EQUAL(&v6(here.storage).sin6_addr, &v6(there.storage).sin6_addr);
}

}  // namespace

std::string error_text(int number) {
    return std::generic_category().message(number);
}

std::string describe_end(const char* what, int number) {
    if (number == 0 || number == ECONNRESET || number == EPIPE) return text(what, " closed");
    return text(what, " broke: ", error_text(number));
}

bool would_block(int number) {
    return number == EAGAIN || number == EWOULDBLOCK;
}

bool SocketAddress::is_any() const {
    if (storage.ss_family == AF_INET) return v4(storage).sin_addr.s_addr == htonl(INADDR_ANY);
    return storage.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6(storage).sin6_addr);
}

bool SocketAddress::is_loopback() const {
    if (storage.ss_family == AF_INET) return ntohl(v4(storage).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return storage.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6(storage).sin6_addr);
}

int SocketAddress::port() const {
    return ntohs(storage.ss_family == AF_INET6 ? v6(storage).sin6_port : v4(storage).sin_port);
}

SocketAddress local_socket_address(const std::string& name) {
    SocketAddress address;
    auto& local = reinterpret_cast<sockaddr_un&>(address.storage);
    local.sun_family = AF_UNIX;
    const std::size_t length = std::min(name.size(), sizeof local.sun_path - 1);
    std::memcpy(local.sun_path + 1, name.data(), length);  // a zero in front makes the name abstract
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
    return address;
}

std::string to_string(const SocketAddress& address) {
    if (address.storage.ss_family == AF_UNIX) {
        const auto& local = reinterpret_cast<const sockaddr_un&>(address.storage);
        return text("local socket ",
                    std::string(local.sun_path + 1, address.length - offsetof(sockaddr_un, sun_path) - 1));
    }
    char host[NI_MAXHOST] = "";
    if (::getnameinfo(address.get(), address.length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0)
        return "an unknown address";
    if (address.storage.ss_family == AF_INET6) return text("[", static_cast<const char*>(host), "]:", address.port());
    return text(static_cast<const char*>(host), ":", address.port());
}

HostAndPort split_host_port(const std::string& whole, const std::string& origin) {
    HostAndPort result;
    std::string port;
    const auto bracket = whole.find(']');
    const auto colon = whole.rfind(':');
    if (!whole.empty() && whole[0] == '[' && bracket != std::string::npos) {
        result.host = whole.substr(1, bracket - 1);
        if (bracket + 1 < whole.size()) port = whole.substr(bracket + 1);
    } else if (colon != std::string::npos && whole.find(':') == colon) {
        result.host = whole.substr(0, colon);
        port = whole.substr(colon);
    } else {
        result.host = whole;
    }
    const char* first = port.data() + 1;
    const bool bad_port = !port.empty() && (port.size() < 2 || port[0] != ':' ||
                                            std::from_chars(first, port.data() + port.size(), result.port).ptr !=
                                                port.data() + port.size() ||
                                            result.port < 0 || result.port > 65535);
    if (result.host.empty() || bad_port ||
        (port.empty() && result.host.find(':') != std::string::npos && whole[0] != '['))
        throw UsageError("'", origin,
                         "' is no address; write tcp://host:port (IPv6: tcp://[address]:port), or file:///path");
    return result;
}

std::vector<SocketAddress> resolve(const HostAndPort& where) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    // RFC 6761: localhost is the loopback address, also on a machine whose /etc/hosts does not say so.
    const char* host = where.host == "localhost" ? "127.0.0.1" : where.host.c_str();
    const int status = ::getaddrinfo(host, std::to_string(where.port).c_str(), &hints, &list);
    if (status != 0)
        throw UnavailableError("host '", where.host, "' has no address: ", ::gai_strerror(status),
                               "; check the name, or use the number");
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(list, ::freeaddrinfo);
    std::vector<SocketAddress> addresses;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        SocketAddress& address = addresses.emplace_back();
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
    }
    return addresses;
}

UniqueFd listen_at(const SocketAddress& address) {
    UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    // SO_REUSEADDR lets a port be bound again after a restart; it does not let two programs share it.
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        throw UnavailableError("cannot make a socket: ", error_text(errno), "; check ulimit -n");
    if (::bind(fd.get(), address.get(), address.length) != 0 || ::listen(fd.get(), 1024) != 0) {
        const int number = errno;
        if (number == EADDRINUSE)
            throw UnavailableError("port ", address.port(), " of ", to_string(address), " is in use",
                                   describe_holder(address.port()),
                                   "; end that program, choose another port, or use a file:// rendezvous");
        if (number == EADDRNOTAVAIL)
            throw UnavailableError("cannot listen on ", to_string(address),
                                   ": it is no address of this machine; give an address of the machine of rank 0");
        throw UnavailableError("cannot listen on ", to_string(address), ": ", error_text(number));
    }
    return fd;
}

SocketAddress local_address(int fd) {
    SocketAddress address;
    address.length = sizeof address.storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0 ||
        (address.storage.ss_family != AF_INET && address.storage.ss_family != AF_INET6))
        throw UnavailableError("descriptor ", fd, " is no internet socket; pass a bound and listening TCP socket");
    return address;
}

bool wait_for(int fd, short events, Time deadline) {
    for (;;) {
        const Time now = Clock::now();
        pollfd entry{fd, events, 0};
        const int ready = ::poll(&entry, 1, milliseconds_until(deadline, now));
        if (ready > 0) return true;
        if (Clock::now() >= deadline) return false;
    }
}

UniqueFd connect_to(const SocketAddress& address, Time deadline, std::string& why) {
    UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        why = error_text(errno);
        return {};
    }
    if (::connect(fd.get(), address.get(), address.length) == 0) return fd;
    if (errno != EINPROGRESS && errno != EINTR) {
        why = error_text(errno);
        return {};
    }
    if (!wait_for(fd.get(), POLLOUT, deadline)) {
        why = "no answer";
        return {};
    }
    int number = 0;
    socklen_t size = sizeof number;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &number, &size);
    if (number != 0) {
        why = error_text(number);
        return {};
    }
    return fd;
}

bool read_exactly(int fd, std::span<std::byte> bytes, Time deadline, std::string& why) {
    while (!bytes.empty()) {
        const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (n > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (n == 0) {
            why = "the connection was closed";
            return false;
        } else if (would_block(errno)) {
            if (!wait_for(fd, POLLIN, deadline)) {
                why = "no answer";
                return false;
            }
        } else if (errno != EINTR) {
            why = error_text(errno);
            return false;
        }
    }
    return true;
}

bool write_exactly(int fd, std::span<const std::byte> bytes, Time deadline, std::string& why) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (would_block(errno)) {
            if (!wait_for(fd, POLLOUT, deadline)) {
                why = "no answer";
                return false;
            }
        } else if (errno != EINTR) {
            why = error_text(errno);
            return false;
        }
    }
    return true;
}

void tune(int fd, bool control, Clock::duration limit) {
    // Best effort: a socket without these options works, only later.
    const int on = 1, interval = 1, probes = 3;
    const int idle = std::max(1, static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(limit).count()));
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    if (ends_on_this_host(fd)) {
        // What the system does about congestion is for networks. Within a host nothing is lost, and to pace what is
        // sent by a timer, as bbr does, only takes time. This way is everywhere, and everybody may take it.
        ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    } else {
        ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMostUnsent, sizeof kMostUnsent);
    }
    if (control) {
        const auto timeout =
            static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count());
        ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    }
}

}  // namespace firecaffe::comm
