// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/socket_link.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <limits>

namespace firecaffe::comm {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

}  // namespace

std::uint32_t SocketLink::wanted_events() const {
    if (broken()) return 0;
    const bool reads = !receiver_.empty() && allowance(RateLimit::kIn) > 0;
    const bool writes = !sender_.empty() && allowance(RateLimit::kOut) > 0;
    return (reads ? static_cast<std::uint32_t>(EPOLLIN) : 0u) | (writes ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
}

std::optional<LinkFault> SocketLink::move(std::size_t budget, Traffic& moved) {
    if (auto fault = receive_some(budget, moved.in)) return fault;
    return send_some(budget, moved.out);
}

std::size_t SocketLink::allowance(RateLimit::Way way) const {
    return limit_ == nullptr ? kUnlimited : limit_->allowance(way);
}

// Returns the bytes of frames that have moved.
std::size_t SocketLink::count(RateLimit::Way way, const Connection::Moved& step, std::uint64_t& bytes) {
    bytes += step.wire;
    if (limit_ != nullptr) limit_->moved(way, step.wire);
    return step.bytes;
}

std::optional<LinkFault> SocketLink::send_some(std::size_t budget, std::uint64_t& bytes) {
    const std::size_t share = allowance(RateLimit::kOut);
    std::size_t moved = 0;
    while (!sender_.empty() && moved < std::min(budget, share)) {
        const auto [header, payload] = sender_.rest();
        const auto step = connection_.send(header, payload.first(std::min(share - moved, payload.size())));
        const std::size_t sent = count(RateLimit::kOut, step, bytes);
        if (step.over) return fault(step);
        if (sent == 0) break;
        moved += sent;
        sender_.wrote(sent);
    }
    return std::nullopt;
}

std::optional<LinkFault> SocketLink::receive_some(std::size_t budget, std::uint64_t& bytes) {
    const std::size_t share = allowance(RateLimit::kIn);
    std::size_t moved = 0;
    while (!receiver_.empty() && moved < std::min(budget, share)) {
        const auto [header, payload] = receiver_.rest();
        const auto step = connection_.receive(header, payload.first(std::min(share - moved, payload.size())));
        const std::size_t received = count(RateLimit::kIn, step, bytes);
        if (step.over) return fault(step);
        if (received == 0) break;
        moved += received;
        if (auto wrong = receiver_.read(received)) return wrong;
    }
    return std::nullopt;
}

LinkFault SocketLink::fault(const Connection::Moved& last) const {
    return {connection_.describe_end("its data connection", last), connection_.damaged()};
}

}  // namespace firecaffe::comm
