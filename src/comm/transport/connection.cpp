// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/connection.hpp"

#include <poll.h>
#include <sys/uio.h>

#include <cerrno>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr int kFills = 4;  // from the socket in one receive(): a peer that sends no bytes may not keep us

// sendmsg() or recvmsg() of two parts.
template <class Byte>
Connection::Moved move_bytes(ssize_t (*call)(int, msghdr*), int fd, std::span<Byte> first, std::span<Byte> second) {
    iovec parts[2] = {{const_cast<std::byte*>(first.data()), first.size()},
                      {const_cast<std::byte*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    for (;;) {
        const ssize_t n = call(fd, &message);
        if (n > 0) return {static_cast<std::size_t>(n), static_cast<std::size_t>(n)};
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) return {};
        return {.over = true, .number = n < 0 ? errno : 0};
    }
}

Connection::Moved write_socket(int fd, std::span<const std::byte> first, std::span<const std::byte> second = {}) {
    const auto call = [](int to, msghdr* what) { return ::sendmsg(to, what, MSG_DONTWAIT | MSG_NOSIGNAL); };
    return move_bytes<const std::byte>(call, fd, first, second);
}

Connection::Moved read_socket(int fd, std::span<std::byte> first, std::span<std::byte> second = {}) {
    const auto call = [](int from, msghdr* what) { return ::recvmsg(from, what, MSG_DONTWAIT); };
    return move_bytes<std::byte>(call, fd, first, second);
}

}  // namespace

// True if all that is outgoing is out.
bool Connection::flush(Moved& moved) {
    for (auto rest = tls_->outgoing(); !rest.empty(); rest = tls_->outgoing()) {
        const Moved step = write_socket(fd_.get(), rest);
        if (step.bytes == 0) {
            moved.over = step.over;
            moved.number = step.number;
            return false;
        }
        tls_->sent(step.bytes);
        moved.wire += step.bytes;
    }
    return true;
}

// True if bytes came. Asked for none, the socket would seem to have ended.
bool Connection::fill(Moved& moved) {
    const auto room = tls_->room();
    if (room.empty()) return false;
    const Moved step = read_socket(fd_.get(), room);
    moved.wire += step.bytes;
    moved.over = step.over;
    moved.number = step.number;
    tls_->filled(step.bytes);
    return step.bytes > 0;
}

Connection::Handshake Connection::shake_hands(std::string& why) {
    if (tls_ == nullptr) return Handshake::done;
    Moved moved;
    do {
        const bool through = tls_->shake_hands();
        const bool out = flush(moved);  // of a failure too: its alert spares the other end a wait
        if (through && out) return Handshake::done;
        if (damaged())
            why = text("TLS could not begin (", tls_->damage(), ")");
        else if (!out)  // a few bytes, which fit into any socket buffer; where they do not, the peer is no rank
            why = moved.over ? comm::describe_end("the connection", moved.number) : "the connection takes no bytes";
        if (!out || damaged()) return Handshake::failed;
    } while (fill(moved));
    if (!moved.over) return Handshake::waits;
    why = comm::describe_end("the connection", moved.number);
    return Handshake::failed;
}

Connection::Moved Connection::send(std::span<const std::byte> first, std::span<const std::byte> second) {
    if (tls_ == nullptr) return write_socket(fd_.get(), first, second);
    // A transfer is complete when its bytes are with the kernel, as without TLS: nobody would come to send the rest.
    Moved moved;
    while (flush(moved)) {
        moved.bytes = std::exchange(wrapped_, 0);
        if (moved.bytes > 0) break;
        wrapped_ = tls_->write(first);
        if (wrapped_ == first.size()) wrapped_ += tls_->write(second);
        if (wrapped_ == 0) {
            moved.over = true;
            break;
        }
    }
    return moved;
}

Connection::Moved Connection::receive(std::span<std::byte> first, std::span<std::byte> second) {
    if (tls_ == nullptr) return read_socket(fd_.get(), first, second);
    Moved moved;
    for (int fills = 0;; ++fills) {
        moved.bytes = tls_->read(first.empty() ? second : first);
        moved.over = tls_->ended() || damaged();
        if (moved.bytes > 0 || moved.over || fills == kFills || !fill(moved)) return moved;
    }
}

void Connection::finish() {
    Moved ignored;
    if (tls_ != nullptr) {
        tls_->finish();
        flush(ignored);
    }
    ::shutdown(fd_.get(), SHUT_WR);
}

std::string Connection::describe_end(const char* what, const Moved& last) const {
    if (damaged())
        return text("what came over ", what, " is not what it encrypted (", tls_->damage(),
                    "); check the network between the two for what changes bytes");
    return comm::describe_end(what, last.number);
}

Connection begin_tls(UniqueFd fd, TlsStream::Side side, const Digest& key, Rank self, Rank peer) {
    try {
        return {std::move(fd), side, key};
    } catch (const UnavailableError& error) {
        throw UnavailableError("rank ", self, " cannot begin TLS with rank ", peer, ": ", error.what());
    }
}

bool complete_handshake(Connection& connection, Time deadline, std::string& why) {
    for (;;) {
        const auto state = connection.shake_hands(why);
        if (state != Connection::Handshake::waits) return state == Connection::Handshake::done;
        if (wait_for(connection.fd(), POLLIN, deadline)) continue;
        why = "no answer in TLS";
        return false;
    }
}

}  // namespace firecaffe::comm
