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

Lobby::Lobby(UniqueFd listener, const JobKeys& keys, const JobId& job, Rank self, Encryption encryption)
    : listener_(std::move(listener)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      self_(self),
      encryption_(encryption),
      keys_(keys),
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
            const int number = errno;
            if (drop_one()) continue;
            throw UnavailableError("rank ", self_, " cannot accept connections: ", error_text(number),
                                   "; raise the limit of open files (ulimit -n)");
        }
        if (doorkeeper_.full()) connections_.erase(doorkeeper_.drop_oldest());
        const Doorkeeper::Id id = next_id_++;
        if (send_now(fd.get(), doorkeeper_.admit(id, now)) && watch_input(epoll_.get(), fd.get(), id))
            connections_.emplace(id, std::move(fd));
        else
            doorkeeper_.left(id);
    }
}

bool Lobby::drop_one() {
    if (!doorkeeper_.empty())
        connections_.erase(doorkeeper_.drop_oldest());
    else if (!beginners_.empty())
        give_up(beginners_.begin());
    else
        return false;
    return true;
}

void Lobby::hear(Doorkeeper::Id id, const Doorkeeper::Expected& expected, const Welcome& welcome) {
    const auto entry = connections_.find(id);
    if (entry == connections_.end()) return;
    const std::span<std::byte> room = doorkeeper_.room(id);
    const ssize_t n = ::recv(entry->second.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (n < 0 && (would_block(errno) || errno == EINTR)) return;
    if (n <= 0) {
        doorkeeper_.left(id);
        connections_.erase(entry);
        return;
    }
    const Doorkeeper::Word word = doorkeeper_.hear(id, static_cast<std::size_t>(n), expected);
    if (!word.last) return;
    UniqueFd fd = std::move(entry->second);
    connections_.erase(entry);
    if (!send_now(fd.get(), word.reply) || !word.guest) return;
    if (word.guest->encryption == Encryption::none) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
        welcome({std::move(fd), *word.guest});
        return;
    }
    auto connection = open(std::move(fd), word);
    if (!connection) {
        ++failed_;
        return;
    }
    if (beginners_.size() >= Doorkeeper::kLargest) give_up(beginners_.begin());
    const Time deadline = Clock::now() + seconds(Doorkeeper::kProofSeconds);
    const auto begun = beginners_.emplace(id, Beginner{{std::move(*connection), *word.guest}, deadline}).first;
    shake_hands(begun, expected, welcome);
}

std::optional<Connection> Lobby::open(UniqueFd fd, const Doorkeeper::Word& word) const {
    try {
        return begin_tls(std::move(fd), TlsStream::Side::server, connection_key(keys_.encryption, word.transcript),
                         self_, word.guest->rank);
    } catch (const UnavailableError&) {
        if (encryption_ == Encryption::tls) throw;
        return std::nullopt;
    }
}

void Lobby::shake_hands(Beginners::iterator entry, const Doorkeeper::Expected& expected, const Welcome& welcome) {
    std::string why;  // the guest finds out at its own end, and tries again
    const auto state = entry->second.guest.connection.shake_hands(why);
    if (state == Connection::Handshake::waits) return;
    if (state == Connection::Handshake::failed) return give_up(entry);
    Guest guest = std::move(entry->second.guest);
    beginners_.erase(entry);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, guest.connection.fd(), nullptr);
    // What was expected when it came need not be any more.
    const bool is_welcome = expected(guest.hello);
    const auto word = static_cast<std::byte>(is_welcome ? Answer::welcome : Answer::unexpected);
    const bool sent = guest.connection.send(std::span(&word, 1)).bytes == 1;
    if (sent && is_welcome) welcome(std::move(guest));
}

void Lobby::give_up(Beginners::iterator entry) {
    beginners_.erase(entry);
    ++failed_;
}

void Lobby::serve(const Doorkeeper::Expected& expected, const Welcome& welcome) {
    const Time now = Clock::now();
    std::array<epoll_event, Doorkeeper::kLargest + 1> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    bool knocking = false;
    for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == kListener)
            knocking = true;
        else if (const auto begun = beginners_.find(id); begun != beginners_.end())
            shake_hands(begun, expected, welcome);
        else
            hear(id, expected, welcome);
    }
    if (knocking) accept_all(now);
    for (const Doorkeeper::Id id : doorkeeper_.drop_late(now)) connections_.erase(id);
    for (auto entry = beginners_.begin(); entry != beginners_.end();) {
        const auto begun = entry++;
        if (begun->second.deadline <= now) give_up(begun);
    }
}

}  // namespace firecaffe::comm
