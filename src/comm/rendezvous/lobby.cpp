// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/lobby.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

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

Lobby::Lobby(UniqueFd listener, const Digest& key, const JobId& job, Rank self)
    : listener_(std::move(listener)), epoll_(::epoll_create1(EPOLL_CLOEXEC)), key_(key), job_(job), self_(self) {
    if (!epoll_ || !watch_input(epoll_.get(), listener_.get(), kListener))
        throw UnavailableError("cannot make the descriptors of the rendezvous: ", error_text(errno),
                               "; check ulimit -n");
}

void Lobby::drop_oldest() {
    if (pending_.empty()) return;
    pending_.erase(pending_.begin());
    ++strangers_;
}

void Lobby::accept_all(Time now) {
    // Bounded, so that a flood cannot keep us from the connections that are already here.
    for (std::size_t i = 0; i < kLargest; ++i) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) {
            const bool out_of_descriptors = errno == EMFILE || errno == ENFILE;
            if (!out_of_descriptors) return;  // none waiting, or one that left again
            if (pending_.empty())
                throw UnavailableError("rank ", self_, " cannot accept connections: ", error_text(errno),
                                       "; raise the limit of open files (ulimit -n)");
            drop_oldest();
            continue;
        }
        if (pending_.size() >= kLargest) drop_oldest();
        ServerHandshake handshake(key_);
        const std::uint64_t id = next_id_++;
        if (!send_now(fd.get(), handshake.challenge()) || !watch_input(epoll_.get(), fd.get(), id)) continue;
        pending_.emplace(id, Pending{std::move(fd), std::move(handshake), {}, 0, now + seconds(kProofSeconds)});
    }
}

bool Lobby::advance(Pending& pending, const std::function<bool(const Hello&)>& expected, std::vector<Guest>& guests) {
    const std::span<std::byte> rest = std::span(pending.proof).subspan(pending.received);
    const ssize_t n = ::recv(pending.fd.get(), rest.data(), rest.size(), MSG_DONTWAIT);
    if (n < 0) return !would_block(errno) && errno != EINTR;
    if (n == 0) {
        ++strangers_;
        return true;
    }
    pending.received += static_cast<std::size_t>(n);
    if (pending.received < kProofBytes) return false;
    const auto hello = pending.handshake.verify(pending.proof);
    if (!hello) {
        ++strangers_;
        send_now(pending.fd.get(), std::span(&kRefused, 1));
        return true;
    }
    Answer answer = Answer::welcome;
    if (hello->version != kProtocolVersion)
        answer = Answer::other_version;
    else if (hello->job != job_)
        answer = Answer::other_job;
    else if (hello->target != self_ || !expected(*hello))
        answer = Answer::unexpected;
    const bool sent = send_now(pending.fd.get(), pending.handshake.answer(answer));
    if (sent && answer == Answer::welcome) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pending.fd.get(), nullptr);
        guests.push_back({std::move(pending.fd), *hello});
    }
    return true;
}

std::vector<Lobby::Guest> Lobby::serve(const std::function<bool(const Hello&)>& expected) {
    std::vector<Guest> guests;
    const Time now = Clock::now();
    std::array<epoll_event, kLargest + 1> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    bool knocking = false;
    for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == kListener) {
            knocking = true;
            continue;
        }
        const auto entry = pending_.find(id);
        if (entry != pending_.end() && advance(entry->second, expected, guests)) pending_.erase(entry);
    }
    if (knocking) accept_all(now);
    while (!pending_.empty() && pending_.begin()->second.deadline <= now) drop_oldest();
    return guests;
}

}  // namespace firecaffe::comm
