// SPDX-License-Identifier: Apache-2.0
#include "hub.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "sockets.hpp"

namespace fake_nccl {
namespace {

using Bytes = std::vector<std::byte>;

constexpr int kPatience = 60'000;  // milliseconds

/// The connections of all ranks; fewer if they do not come.
std::vector<Socket> gather(const Socket& door, std::uint64_t secret) {
    std::vector<Socket> ranks;
    std::size_t missing = 1;
    pollfd entry{door.get(), POLLIN, 0};
    while (missing > 0 && ::poll(&entry, 1, kPatience) > 0) {
        Socket guest(::accept(door.get(), nullptr, nullptr));
        Hello hello;
        if (!guest.receive(&hello, sizeof hello) || hello.secret != secret) continue;
        ranks.resize(static_cast<std::size_t>(hello.ranks));
        ranks[static_cast<std::size_t>(hello.rank)] = std::move(guest);
        missing = static_cast<std::size_t>(std::ranges::count_if(ranks, [](const Socket& s) { return s.get() < 0; }));
    }
    return missing == 0 ? std::move(ranks) : std::vector<Socket>{};
}

template <class T>
void add(Bytes& sum, const Bytes& values) {
    for (std::size_t at = 0; at < sum.size(); at += sizeof(T)) {
        T a, b;
        std::memcpy(&a, sum.data() + at, sizeof a);
        std::memcpy(&b, values.data() + at, sizeof b);
        a += b;
        std::memcpy(sum.data() + at, &a, sizeof a);
    }
}

/// One sum; false when a rank has left, or brings another sum than the others.
bool serve(const std::vector<Socket>& ranks) {
    Header first;
    Bytes sum;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        Header header;
        if (!ranks[r].receive(&header, sizeof header)) return false;
        if (r == 0) first = header;
        if (header.count != first.count || header.type != first.type) return false;
        Bytes values(header.count * size_of(header.type));
        if (!ranks[r].receive(values.data(), values.size())) return false;
        if (r == 0)
            sum = std::move(values);
        else
            size_of(header.type) == 8 ? add<double>(sum, values) : add<float>(sum, values);
    }
    return std::ranges::all_of(ranks, [&](const Socket& rank) { return rank.send(sum.data(), sum.size()); });
}

}  // namespace

std::optional<Address> start_hub() {
    Socket door(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(door.get(), generic, length) != 0 || ::listen(door.get(), 64) != 0 ||
        ::getsockname(door.get(), generic, &length) != 0)
        return std::nullopt;
    std::random_device random;
    const std::uint64_t secret = (std::uint64_t{random()} << 32) | random();
    std::thread([door = std::move(door), secret] {
        const std::vector<Socket> ranks = gather(door, secret);
        if (!std::ranges::all_of(ranks, [](const Socket& rank) { return rank.send("", 1); })) return;
        while (!ranks.empty() && serve(ranks)) {
        }
    }).detach();
    return Address{.port = ntohs(address.sin_port), .secret = secret};
}

}  // namespace fake_nccl
