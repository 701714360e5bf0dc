// SPDX-License-Identifier: Apache-2.0
// The frame of a data connection: 64 bytes of header and at most kChunkBytes of payload. A transfer travels as one or
// more frames in order, one of them even for zero bytes. Two checksums: one over the header, so that a damaged header
// is not taken for another operation, and one over the payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "comm/transport/checksum.hpp"
#include "comm/transport/wire.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

inline constexpr std::size_t kFrameHeaderBytes = 64;
inline constexpr std::size_t kChunkBytes = 256 * 1024;    // small enough that the checksum's pass stays in the cache
inline constexpr std::uint32_t kFrameMagic = 0x33444346;  // "FCD3"

using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

struct FrameHeader {
    std::uint32_t index = 0;  // number of the frame on its connection and direction
    OperationTag tag;
    std::uint64_t length = 0;  // of the whole transfer
    std::uint64_t offset = 0;  // of this frame's payload in it
    std::uint64_t payload_sum = 0;
};

inline std::uint32_t header_sum(const FrameHeaderBytes& bytes) {
    return short_checksum(std::span(bytes).first<60>());
}

inline FrameHeaderBytes encode(const FrameHeader& header) {
    FrameHeaderBytes bytes;
    store_little_endian(&bytes[0], kFrameMagic);
    store_little_endian(&bytes[4], header.index);
    store_little_endian(&bytes[8], header.tag.sequence);
    store_little_endian(&bytes[16], header.tag.bucket);
    store_little_endian(&bytes[20], header.tag.step);
    store_little_endian(&bytes[24], header.length);
    store_little_endian(&bytes[32], header.offset);
    store_little_endian(&bytes[40], header.tag.count);
    store_little_endian(&bytes[48], static_cast<std::uint32_t>(header.tag.dtype));
    store_little_endian(&bytes[52], header.payload_sum);
    store_little_endian(&bytes[60], header_sum(bytes));
    return bytes;
}

/// Empty if the magic number or the header's checksum is wrong.
inline std::optional<FrameHeader> decode(const FrameHeaderBytes& bytes) {
    if (load_little_endian<std::uint32_t>(&bytes[0]) != kFrameMagic) return std::nullopt;
    if (load_little_endian<std::uint32_t>(&bytes[60]) != header_sum(bytes)) return std::nullopt;
    FrameHeader header;
    header.index = load_little_endian<std::uint32_t>(&bytes[4]);
    header.tag.sequence = load_little_endian<std::uint64_t>(&bytes[8]);
    header.tag.bucket = load_little_endian<std::uint32_t>(&bytes[16]);
    header.tag.step = load_little_endian<std::uint32_t>(&bytes[20]);
    header.length = load_little_endian<std::uint64_t>(&bytes[24]);
    header.offset = load_little_endian<std::uint64_t>(&bytes[32]);
    header.tag.count = load_little_endian<std::uint64_t>(&bytes[40]);
    header.tag.dtype = static_cast<DType>(load_little_endian<std::uint32_t>(&bytes[48]));
    header.payload_sum = load_little_endian<std::uint64_t>(&bytes[52]);
    return header;
}

}  // namespace firecaffe::comm
