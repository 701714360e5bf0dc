// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/socket_link.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace firecaffe::comm {

namespace {

LinkFault broken_connection(int number) {
    return {describe_end("its data connection", number), false};
}

}  // namespace

std::uint32_t SocketLink::wanted_events() const {
    if (broken()) return 0;
    return (receiver_.empty() ? 0u : static_cast<std::uint32_t>(EPOLLIN)) |
           (sender_.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT));
}

std::optional<LinkFault> SocketLink::move(std::size_t budget, Traffic& moved) {
    if (auto fault = receive_some(budget, moved.in)) return fault;
    return send_some(budget, moved.out);
}

std::optional<LinkFault> SocketLink::send_some(std::size_t budget, std::uint64_t& bytes) {
    std::size_t moved = 0;
    while (!sender_.empty() && moved < budget) {
        const auto [header, payload] = sender_.rest();
        iovec parts[2] = {{const_cast<std::byte*>(header.data()), header.size()},
                          {const_cast<std::byte*>(payload.data()), payload.size()}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) break;
        if (n < 0) return broken_connection(errno);
        const auto count = static_cast<std::size_t>(n);
        moved += count;
        bytes += count;
        sender_.wrote(count);
    }
    return std::nullopt;
}

std::optional<LinkFault> SocketLink::receive_some(std::size_t budget, std::uint64_t& bytes) {
    std::size_t moved = 0;
    while (!receiver_.empty() && moved < budget) {
        const auto [header, payload] = receiver_.rest();
        iovec parts[2] = {{header.data(), header.size()}, {payload.data(), payload.size()}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) break;
        if (n <= 0) return broken_connection(n < 0 ? errno : 0);
        const auto count = static_cast<std::size_t>(n);
        moved += count;
        bytes += count;
        if (auto fault = receiver_.read(count)) return fault;
    }
    return std::nullopt;
}

}  // namespace firecaffe::comm
