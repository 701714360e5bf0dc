// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

#include "catch.hpp"
#include "ranks.hpp"

using namespace firecaffe::comm;

namespace {

int port_of(const std::string& address) {
    return std::stoi(address.substr(address.rfind(':') + 1));
}

int connect_to_port(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
}

int open_descriptors() {
    int count = 0;
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    return count;
}

}  // namespace

TEST_CASE("strangers neither get in nor delay those who belong") {
    const int before = open_descriptors();
    auto all = job_options(4);
    const int port = port_of(all[0].address);
    std::vector<Outcome> outcomes(4);
    std::vector<std::thread> ranks;
    const auto start = [&](std::size_t i) {
        ranks.emplace_back([&, i] { outcomes[i] = outcome_of([&] { join_tcp(all[i])->close(); }); });
    };
    start(0);
    std::vector<int> strangers;
    std::atomic<bool> stop{false};
    std::thread persistent;
    SECTION("300 that say nothing") {
        for (int i = 0; i < 300; ++i) strangers.push_back(connect_to_port(port));
    }
    SECTION("random bytes, too few, too many") {
        for (int i = 0; i < 60; ++i) {
            const int fd = connect_to_port(port);
            if (fd < 0) continue;
            const auto noise = pattern(static_cast<std::size_t>(i % 3 == 0   ? 128
                                                                : i % 3 == 1 ? 40
                                                                             : 1'000'000),
                                       static_cast<std::uint32_t>(i));
            (void)!::send(fd, noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            strangers.push_back(fd);
        }
    }
    SECTION("a flood that goes on") {
        persistent = std::thread([&] {
            while (!stop) {
                const int fd = connect_to_port(port);
                if (fd < 0) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));
                    continue;
                }
                (void)!::send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL | MSG_DONTWAIT);
                ::close(fd);
            }
        });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    for (std::size_t i = 1; i < 4; ++i) start(i);
    for (std::thread& rank : ranks) rank.join();
    stop = true;
    if (persistent.joinable()) persistent.join();
    for (const Outcome& outcome : outcomes) CHECK(outcome.text == "");
    for (std::size_t i = 1; i < 4; ++i) CHECK(outcomes[i].seconds < 1.5);
    for (const int fd : strangers) ::close(fd);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a silent stranger is shown out") {
    auto all = job_options(2);
    const int port = port_of(all[0].address);
    std::thread rank_0([&] { outcome_of([&] { join_tcp(all[0])->close(); }); });
    const int silent = connect_to_port(port);
    std::vector<std::byte> challenge(64);
    CHECK(::recv(silent, challenge.data(), 64, 0) == 32);
    timeval limit{4, 0};
    ::setsockopt(silent, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const auto start = std::chrono::steady_clock::now();
    CHECK(::recv(silent, challenge.data(), 64, 0) == 0);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    CHECK(seconds > 1.0);
    CHECK(seconds < 3.5);
    ::close(silent);
    CHECK(outcome_of([&] { join_tcp(all[1])->close(); }).text == "");
    rank_0.join();
}

TEST_CASE("the listener is closed once the mesh is up") {
    const auto all = job_options(2);
    const int port = port_of(all[0].address);
    std::vector<int> connected(2, -2);
    run_ranks(all, [&](Transport& transport) {
        // Rank 1 may be through a moment before rank 0; a message makes sure.
        std::byte b{};
        if (transport.rank() == 0) transport.wait(*transport.post_send(1, {}, std::span(&b, 1)));
        if (transport.rank() == 1) {
            transport.wait(*transport.post_receive(0, {}, std::span(&b, 1)));
            connected[1] = connect_to_port(port);
        }
    });
    CHECK(connected[1] == -1);
}
