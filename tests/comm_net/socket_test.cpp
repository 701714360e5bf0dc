// SPDX-License-Identifier: Apache-2.0
// What is asked of the system for a connection.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "catch.hpp"

#include "comm/transport/socket.hpp"

using namespace firecaffe::comm;

TEST_CASE("within a host a connection is not paced, and sends small frames at once") {
    const UniqueFd listener = listen_at(resolve({"127.0.0.1", 0}).front());
    std::string why;
    const UniqueFd client = connect_to(local_address(listener.get()), Clock::now() + std::chrono::seconds(5), why);
    INFO(why);
    REQUIRE(client);
    REQUIRE(wait_for(listener.get(), POLLIN, Clock::now() + std::chrono::seconds(5)));
    const UniqueFd server(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(server);
    for (const int fd : {client.get(), server.get()}) {
        tune(fd, false, std::chrono::seconds(5));
        char way[16] = "";
        socklen_t length = sizeof way;
        REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, way, &length) == 0);
        CHECK(std::string(way) == "reno");
        int at_once = 0;
        length = sizeof at_once;
        REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, &length) == 0);
        CHECK(at_once != 0);
    }
}
