// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/socket_link.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

namespace {

std::size_t chunk_of(const DataTransfer& transfer) {
    return std::min(kChunkBytes, transfer.length - transfer.moved);
}

LinkFault broken_connection(int number) {
    return {describe_end("its data connection", number), false};
}

}  // namespace

std::uint32_t SocketLink::wanted_events() const {
    if (broken()) return 0;
    return (receives_.empty() ? 0u : static_cast<std::uint32_t>(EPOLLIN)) |
           (sends_.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT));
}

std::optional<LinkFault> SocketLink::move(std::size_t budget, Traffic& moved) {
    if (auto fault = receive_some(budget, moved.in)) return fault;
    return send_some(budget, moved.out);
}

std::optional<LinkFault> SocketLink::send_some(std::size_t budget, std::uint64_t& bytes) {
    std::size_t moved = 0;
    while (!sends_.empty() && moved < budget) {
        DataTransfer& transfer = *sends_.front();
        const std::size_t chunk = chunk_of(transfer);
        const std::byte* payload = transfer.out + transfer.moved;
        FrameState& frame = sending_;
        if (!frame.open) {
            frame.header =
                encode({frame.index, transfer.tag, transfer.length, transfer.moved, crc32c({payload, chunk})});
            frame.header_bytes = frame.payload_bytes = 0;
            frame.open = true;
        }
        iovec parts[2] = {{frame.header.data() + frame.header_bytes, kFrameHeaderBytes - frame.header_bytes},
                          {const_cast<std::byte*>(payload) + frame.payload_bytes, chunk - frame.payload_bytes}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) break;
        if (n < 0) return broken_connection(errno);
        const auto count = static_cast<std::size_t>(n);
        const std::size_t of_header = std::min(count, parts[0].iov_len);
        frame.header_bytes += of_header;
        frame.payload_bytes += count - of_header;
        moved += count;
        bytes += count;
        if (frame.header_bytes < kFrameHeaderBytes || frame.payload_bytes < chunk) continue;
        transfer.moved += chunk;
        frame.open = false;
        ++frame.index;
        if (transfer.moved == transfer.length) {
            transfer.done = true;
            sends_.pop_front();
        }
    }
    return std::nullopt;
}

std::optional<LinkFault> SocketLink::receive_some(std::size_t budget, std::uint64_t& bytes) {
    std::size_t moved = 0;
    while (!receives_.empty() && moved < budget) {
        DataTransfer& transfer = *receives_.front();
        const std::size_t chunk = chunk_of(transfer);
        std::byte* payload = transfer.in + transfer.moved;
        FrameState& frame = receiving_;
        // Header and payload in one call: the length is known, because the receive says it.
        iovec parts[2] = {{frame.header.data() + frame.header_bytes, kFrameHeaderBytes - frame.header_bytes},
                          {payload + frame.payload_bytes, chunk - frame.payload_bytes}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) break;
        if (n <= 0) return broken_connection(n < 0 ? errno : 0);
        const auto count = static_cast<std::size_t>(n);
        const std::size_t of_header = std::min(count, parts[0].iov_len);
        frame.header_bytes += of_header;
        frame.payload_crc = crc32c({payload + frame.payload_bytes, count - of_header}, frame.payload_crc);
        frame.payload_bytes += count - of_header;
        moved += count;
        bytes += count;
        if (frame.header_bytes < kFrameHeaderBytes) continue;
        if (!frame.open) {
            if (auto fault = check_header(transfer)) return fault;
            frame.open = true;
        }
        if (frame.payload_bytes < chunk) continue;
        if (frame.payload_crc != incoming_payload_crc_)
            return LinkFault{
                text("it sent a damaged frame: the checksum of ", chunk, " bytes at ", transfer.moved, " in ",
                     describe(transfer.tag, transfer.length), " is wrong; check memory and network there"),
                true};
        transfer.moved += chunk;
        const std::uint32_t index = frame.index;
        frame = {};
        frame.index = index + 1;
        if (transfer.moved == transfer.length) {
            transfer.done = true;
            receives_.pop_front();
        }
    }
    return std::nullopt;
}

std::optional<LinkFault> SocketLink::check_header(const DataTransfer& transfer) {
    const auto header = decode(receiving_.header);
    if (!header || header->index != receiving_.index)
        return LinkFault{text("it sent a damaged frame: the header of frame ", receiving_.index, " is wrong, where ",
                              describe(transfer.tag, transfer.length), " was expected; check memory and network there"),
                         true};
    if (header->tag.sequence != transfer.tag.sequence || header->tag.bucket != transfer.tag.bucket ||
        header->tag.step != transfer.tag.step || header->length != transfer.length || header->offset != transfer.moved)
        return other_operation(describe(header->tag, header->length), describe(transfer.tag, transfer.length));
    incoming_payload_crc_ = header->payload_crc;
    return std::nullopt;
}

}  // namespace firecaffe::comm
