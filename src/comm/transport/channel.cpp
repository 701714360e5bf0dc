// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/channel.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace firecaffe::comm {

namespace {

constexpr std::size_t kReadAtOnce = 65536;

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

void Channel::send(const Message& message) {
    if (closed_ || finishing_) return;
    append(out_, message);
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
    for (;;) {
        const ssize_t n = ::recv(fd_.get(), in_.room(kReadAtOnce).data(), kReadAtOnce, MSG_DONTWAIT);
        const int number = errno;
        in_.filled(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
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
        if (auto message = in_.next()) return message;
        if (!in_.damage().empty()) {
            close(in_.damage());
        } else if (!fill()) {
            if (end_) close(why_end_);
            return std::nullopt;
        }
    }
    return std::nullopt;
}

}  // namespace firecaffe::comm
