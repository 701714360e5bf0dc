// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/message.hpp"

#include <algorithm>

#include "comm/transport/checksum.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::size_t kLongestBody = 16u << 20;  // a configuration; everything else is small
constexpr std::size_t kOverhead = 4 + 1 + 4;

}  // namespace

void append(std::vector<std::byte>& stream, const Message& message) {
    const std::size_t start = stream.size(), length = message.body.size();
    stream.resize(start + kOverhead + length);
    store_little_endian(&stream[start], static_cast<std::uint32_t>(length));
    stream[start + 4] = static_cast<std::byte>(message.type);
    std::copy(message.body.begin(), message.body.end(), &stream[start + 5]);
    store_little_endian(&stream[stream.size() - 4], short_checksum(std::span(stream).subspan(start + 4, length + 1)));
}

std::span<std::byte> MessageReader::room(std::size_t bytes) {
    if (taken_ > 0) {
        std::copy(bytes_.data() + taken_, bytes_.data() + end_, bytes_.data());
        end_ -= taken_;
        taken_ = 0;
    }
    if (bytes_.size() < end_ + bytes) bytes_.resize(end_ + bytes);
    return std::span(bytes_).subspan(end_, bytes);
}

void MessageReader::filled(std::size_t bytes) {
    end_ += bytes;
}

std::optional<Message> MessageReader::next() {
    if (!damage_.empty()) return std::nullopt;
    const auto rest = std::span<const std::byte>(bytes_).subspan(taken_, end_ - taken_);
    if (rest.size() < kOverhead) return std::nullopt;
    const std::size_t length = load_little_endian<std::uint32_t>(rest.data());
    if (length > kLongestBody) {
        damage_ = "it sent a message that is too long";
        return std::nullopt;
    }
    if (rest.size() < kOverhead + length) return std::nullopt;
    const auto checked = rest.subspan(4, length + 1);
    if (short_checksum(checked) != load_little_endian<std::uint32_t>(&rest[5 + length])) {
        damage_ = "it sent a damaged message";
        return std::nullopt;
    }
    taken_ += kOverhead + length;
    return Message{static_cast<MessageType>(checked[0]), {checked.begin() + 1, checked.end()}};
}

}  // namespace firecaffe::comm
