// SPDX-License-Identifier: Apache-2.0
// What every transport's wait_any() must do, as the parts of three ranks.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::testing {

/// Rank 0 waits for either of the others, is interrupted, now and beforehand, and at last rank 1 gives up while rank 0
/// waits: throws PeerLostError for that, on all ranks, and InternalError for whatever is not as it must be.
inline void play_wait_any(comm::Transport& transport) {
    const comm::OperationTag tag{.sequence = 1, .dtype = DType::uint8, .count = 1};
    const auto require = [](bool good, const char* what) {
        if (!good) throw InternalError("wait_any: ", what);
    };
    std::byte from_1{}, from_2{}, word{7};
    const auto one = [](std::byte& b) { return std::span(&b, 1); };
    if (transport.rank() == 0) {
        const auto first = transport.post_receive(1, tag, one(from_1)),
                   second = transport.post_receive(2, tag, one(from_2));
        const std::array both{first.get(), second.get()};
        require(transport.wait_any(both, 1) == 1 && from_2 == std::byte{7}, "rank 2 was the only one that had sent");
        const std::array rest{first.get()};

        transport.interrupt();
        require(transport.wait_any(rest, -1) == 1, "an earlier interrupt did not end it");
        std::thread other([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            transport.interrupt();
        });
        const bool ended = transport.wait_any(rest, -1) == 1;
        other.join();
        require(ended, "an interrupt did not end it");

        transport.wait(*transport.post_send(1, tag, one(word)));
        require(transport.wait_any(rest, 1) == 0 && from_1 == std::byte{7}, "rank 1 has sent by now");
        const auto never = transport.post_receive(2, tag, one(from_2));
        const std::array last{never.get()};
        transport.wait_any(last, 2);
        throw InternalError("wait_any: returned though rank 1 had given up");
    }
    if (transport.rank() == 1) {
        transport.wait(*transport.post_receive(0, tag, one(from_1)));
        transport.wait(*transport.post_send(0, tag, one(word)));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        transport.abort("it has seen enough");
    } else {
        transport.wait(*transport.post_send(0, tag, one(word)));
    }
    transport.wait(*transport.post_receive(0, tag, one(from_1)));
}

}  // namespace firecaffe::testing
