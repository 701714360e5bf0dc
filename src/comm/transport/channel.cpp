// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/channel.hpp"

#include <poll.h>

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
    connection_.close();
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
        const auto moved = connection_.send(std::span(out_).subspan(sent_));
        if (moved.bytes == 0 && !moved.over) return;
        // What the peer sent before it left can still be read; next() finds the end.
        sent_ = moved.over ? out_.size() : sent_ + moved.bytes;
    }
    out_.clear();
    sent_ = 0;
    if (finishing_ && !finished_ && !closed_) {
        finished_ = true;
        connection_.finish();
    }
}

void Channel::finish() {
    finishing_ = true;
    flush();
}

bool Channel::fill() {
    if (closed_ || end_) return false;
    const auto moved = connection_.receive(in_.room(kReadAtOnce));
    in_.filled(moved.bytes);
    if (moved.over) {
        end_ = true;
        why_end_ = connection_.describe_end("its connection", moved);
    }
    return moved.bytes > 0;
}

std::optional<Message> Channel::next() {
    while (!closed_ && connection_) {
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
