// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/channel.hpp"

#include <poll.h>

#include <cerrno>

#include "comm/transport/crc32c.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::size_t kLongestBody = 16u << 20;  // a configuration; everything else is small
constexpr std::size_t kOverhead = 4 + 1 + 4;

}  // namespace

short Channel::events() const {
    if (closed_) return 0;
    return static_cast<short>(POLLIN | (flushed() ? 0 : POLLOUT));
}

void Channel::close(std::string why) {
    if (closed_) return;
    closed_ = true;
    why_closed_ = std::move(why);
    fd_.reset();
    out_.clear();
    sent_ = 0;
}

void Channel::send(MessageType type, const WireWriter& body) {
    if (closed_ || finishing_) return;
    const std::size_t start = out_.size();
    const auto& bytes = body.bytes();
    out_.resize(start + kOverhead + bytes.size());
    store_little_endian(&out_[start], static_cast<std::uint32_t>(bytes.size()));
    out_[start + 4] = static_cast<std::byte>(type);
    std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(start + 5));
    store_little_endian(&out_[out_.size() - 4], crc32c(std::span(out_).subspan(start + 4, bytes.size() + 1)));
    flush();
}

void Channel::flush() {
    while (!closed_ && sent_ < out_.size()) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) return;
        if (n < 0) {
            // What the peer sent before it left can still be read; next() finds the end.
            sent_ = out_.size();
            break;
        }
        sent_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    sent_ = 0;
    if (finishing_ && !finished_ && !closed_) {
        finished_ = true;
        ::shutdown(fd_.get(), SHUT_WR);
    }
}

void Channel::finish() {
    finishing_ = true;
    flush();
}

bool Channel::fill() {
    if (closed_ || end_) return false;
    if (taken_ > 0) {
        in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
    }
    for (;;) {
        const std::size_t before = in_.size();
        in_.resize(before + 65536);
        const ssize_t n = ::recv(fd_.get(), in_.data() + before, 65536, MSG_DONTWAIT);
        const int number = errno;
        in_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n > 0) return true;
        if (n < 0 && number == EINTR) continue;
        if (n < 0 && would_block(number)) return false;
        end_ = true;
        why_end_ = describe_end("its connection", n == 0 ? 0 : number);
        return false;
    }
}

std::optional<Message> Channel::next() {
    while (!closed_ && fd_) {
        const std::span<const std::byte> rest = std::span(in_).subspan(taken_);
        if (rest.size() >= kOverhead) {
            const std::size_t length = load_little_endian<std::uint32_t>(rest.data());
            if (length > kLongestBody) {
                close("it sent a message that is too long");
                return std::nullopt;
            }
            if (rest.size() >= kOverhead + length) {
                const auto checked = rest.subspan(4, length + 1);
                if (crc32c(checked) != load_little_endian<std::uint32_t>(&rest[5 + length])) {
                    close("it sent a damaged message");
                    return std::nullopt;
                }
                taken_ += kOverhead + length;
                return Message{static_cast<MessageType>(checked[0]), {checked.begin() + 1, checked.end()}};
            }
        }
        if (fill()) continue;
        if (end_) close(why_end_);
        return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace firecaffe::comm
