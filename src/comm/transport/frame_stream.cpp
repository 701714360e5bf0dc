// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/frame_stream.hpp"

#include <algorithm>

#include "firecaffe/core/text.hpp"

namespace firecaffe::comm {

std::size_t FrameQueue::chunk() const {
    return std::min(kChunkBytes, front().length - front().moved);
}

// Returns how many of the bytes belong to the payload.
std::size_t FrameQueue::count(std::size_t bytes) {
    const std::size_t of_header = std::min(bytes, kFrameHeaderBytes - header_bytes_);
    header_bytes_ += of_header;
    payload_bytes_ += bytes - of_header;
    return bytes - of_header;
}

void FrameQueue::end_frame() {
    FramedTransfer& transfer = front();
    transfer.moved += chunk();
    header_bytes_ = payload_bytes_ = 0;
    open_ = false;
    ++index_;
    if (transfer.moved < transfer.length) return;
    transfer.done = true;
    pop();
}

FrameSender::Rest FrameSender::rest() {
    const FramedTransfer& transfer = front();
    const std::span payload{transfer.out + transfer.moved, chunk()};
    if (!open_) {
        header_ = encode({index_, transfer.tag, transfer.length, transfer.moved, checksum(payload)});
        open_ = true;
    }
    return {std::span(header_).subspan(header_bytes_), payload.subspan(payload_bytes_)};
}

void FrameSender::wrote(std::size_t bytes) {
    count(bytes);
    if (header_bytes_ == kFrameHeaderBytes && payload_bytes_ == chunk()) end_frame();
}

FrameReceiver::Rest FrameReceiver::rest() {
    const FramedTransfer& transfer = front();
    const std::span payload{transfer.in + transfer.moved, chunk()};
    return {std::span(header_).subspan(header_bytes_), payload.subspan(payload_bytes_)};
}

std::optional<LinkFault> FrameReceiver::read(std::size_t bytes) {
    const FramedTransfer& transfer = front();
    const std::byte* const new_payload = transfer.in + transfer.moved + payload_bytes_;
    payload_sum_.add({new_payload, count(bytes)});
    if (header_bytes_ < kFrameHeaderBytes) return std::nullopt;
    if (!open_) {
        if (auto fault = check_header()) return fault;
        open_ = true;
    }
    if (payload_bytes_ < chunk()) return std::nullopt;
    if (payload_sum_.take() != expected_sum_)
        return LinkFault{
            text("it sent a damaged frame: the checksum of ", chunk(), " bytes at ", transfer.moved, " in ",
                 describe(transfer.tag, transfer.length), " is wrong; check memory and network there"),
            true};
    end_frame();
    return std::nullopt;
}

std::optional<LinkFault> FrameReceiver::check_header() {
    const FramedTransfer& transfer = front();
    const auto header = decode(header_);
    if (!header || header->index != index_)
        return LinkFault{text("it sent a damaged frame: the header of frame ", index_, " is wrong, where ",
                              describe(transfer.tag, transfer.length), " was expected; check memory and network there"),
                         true};
    if (header->tag != transfer.tag || header->length != transfer.length || header->offset != transfer.moved)
        return other_operation(header->tag, header->length, transfer.tag, transfer.length);
    expected_sum_ = header->payload_sum;
    return std::nullopt;
}

}  // namespace firecaffe::comm
