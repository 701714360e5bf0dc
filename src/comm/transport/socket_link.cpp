// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/socket_link.hpp"

#include <sys/epoll.h>

namespace firecaffe::comm {

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
        const auto step = connection_.send(header, payload);
        bytes += step.wire;
        if (step.over) return fault(step);
        if (step.bytes == 0) break;
        moved += step.bytes;
        sender_.wrote(step.bytes);
    }
    return std::nullopt;
}

std::optional<LinkFault> SocketLink::receive_some(std::size_t budget, std::uint64_t& bytes) {
    std::size_t moved = 0;
    while (!receiver_.empty() && moved < budget) {
        const auto [header, payload] = receiver_.rest();
        const auto step = connection_.receive(header, payload);
        bytes += step.wire;
        if (step.over) return fault(step);
        if (step.bytes == 0) break;
        moved += step.bytes;
        if (auto wrong = receiver_.read(step.bytes)) return wrong;
    }
    return std::nullopt;
}

LinkFault SocketLink::fault(const Connection::Moved& last) const {
    return {connection_.describe_end("its data connection", last), connection_.damaged()};
}

}  // namespace firecaffe::comm
