// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/lobby.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::uint64_t kListener = 0;

bool watch_input(int epoll, int fd, std::uint64_t id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

// Handshake messages fit into any socket buffer; a peer that makes even that fail is no worker.
bool send_now(int fd, std::span<const std::byte> bytes) {
    return ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

Lobby::Lobby(UniqueFd listener, const JobKeys& keys, const JobId& job, Rank self)
    : listener_(std::move(listener)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      self_(self),
      encryption_key_(keys.encryption),
      doorkeeper_(keys.authentication, job, self) {
    if (!epoll_ || !watch_input(epoll_.get(), listener_.get(), kListener))
        throw UnavailableError("cannot make the descriptors of the rendezvous: ", error_text(errno),
                               "; check ulimit -n");
}

void Lobby::accept_all(Time now) {
    // Bounded, so that a flood cannot keep us from the connections that are already here.
    for (std::size_t i = 0; i < Doorkeeper::kLargest; ++i) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) {
            const bool out_of_descriptors = errno == EMFILE || errno == ENFILE;
            if (!out_of_descriptors) return;  // none waiting, or one that left again
            if (doorkeeper_.empty())
                throw UnavailableError("rank ", self_, " cannot accept connections: ", error_text(errno),
                                       "; raise the limit of open files (ulimit -n)");
            connections_.erase(doorkeeper_.drop_oldest());
            continue;
        }
        if (doorkeeper_.full()) connections_.erase(doorkeeper_.drop_oldest());
        const Doorkeeper::Id id = next_id_++;
        if (send_now(fd.get(), doorkeeper_.admit(id, now)) && watch_input(epoll_.get(), fd.get(), id))
            connections_.emplace(id, std::move(fd));
        else
            doorkeeper_.left(id);
    }
}

void Lobby::hear(Doorkeeper::Id id, const Doorkeeper::Expected& expected, std::vector<Guest>& guests) {
    const auto entry = connections_.find(id);
    if (entry == connections_.end()) return;
    UniqueFd& fd = entry->second;
    const std::span<std::byte> room = doorkeeper_.room(id);
    const ssize_t n = ::recv(fd.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0 && (would_block(errno) || errno == EINTR)) return;
    if (n <= 0) {
        doorkeeper_.left(id);
        connections_.erase(entry);
        return;
    }
    const Doorkeeper::Word word = doorkeeper_.hear(id, static_cast<std::size_t>(n), expected);
    if (!word.last) return;
    const bool sent = send_now(fd.get(), word.reply);
    if (sent && word.guest) {
        const bool plain = word.guest->encryption == Encryption::none;
        Connection connection = plain ? Connection(std::move(fd))
                                      : Connection(std::move(fd), TlsStream::Side::server,
                                                   connection_key(encryption_key_, word.transcript));
        const Time deadline = Clock::now() + seconds(Doorkeeper::kProofSeconds);
        beginners_.emplace(id, Beginner{{std::move(connection), *word.guest}, deadline});
        shake_hands(id, guests);
    }
    connections_.erase(entry);
}

void Lobby::shake_hands(Doorkeeper::Id id, std::vector<Guest>& guests) {
    const auto entry = beginners_.find(id);
    if (entry == beginners_.end()) return;
    Connection& connection = entry->second.guest.connection;
    std::string why;  // the guest says it, and tries again
    const auto state = connection.shake_hands(why);
    if (state == Connection::Handshake::waits) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, connection.fd(), nullptr);
    if (state == Connection::Handshake::done) guests.push_back(std::move(entry->second.guest));
    beginners_.erase(entry);
}

std::vector<Lobby::Guest> Lobby::serve(const Doorkeeper::Expected& expected) {
    std::vector<Guest> guests;
    const Time now = Clock::now();
    std::array<epoll_event, Doorkeeper::kLargest + 1> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    bool knocking = false;
    for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == kListener)
            knocking = true;
        else if (beginners_.contains(id))
            shake_hands(id, guests);
        else
            hear(id, expected, guests);
    }
    if (knocking) accept_all(now);
    for (const Doorkeeper::Id id : doorkeeper_.drop_late(now)) connections_.erase(id);
    std::erase_if(beginners_, [now](const auto& entry) { return entry.second.deadline <= now; });
    return guests;
}

}  // namespace firecaffe::comm
