// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/call_thread.hpp"

#include <atomic>
#include <future>
#include <stdexcept>

#include "catch.hpp"

using firecaffe::comm::CallThread;
using namespace std::chrono_literals;

TEST_CASE("call thread: one call after the other, each to its end") {
    CallThread calls;
    CHECK(calls.wait(0s));  // nothing is under way
    const auto done = std::make_shared<std::atomic<int>>(0);
    for (int i = 1; i <= 3; ++i) {
        calls.begin([done] { ++*done; });
        REQUIRE(calls.wait(60s));
        CHECK(*done == i);
    }
}

TEST_CASE("call thread: what a call throws comes up once") {
    CallThread calls;
    calls.begin([] { throw std::runtime_error("no"); });
    CHECK_THROWS_WITH(calls.wait(60s), "no");
    CHECK(calls.wait(0s));
}

TEST_CASE("call thread: a call that does not return is waited for no longer than asked, and may be left behind") {
    const auto gate = std::make_shared<std::promise<void>>();
    const auto passed = std::make_shared<std::promise<void>>();
    std::future<void> end = passed->get_future();
    {
        CallThread calls;
        calls.begin([gate, passed] {
            gate->get_future().wait();
            passed->set_value();
        });
        CHECK_FALSE(calls.wait(10ms));
    }
    gate->set_value();
    CHECK(end.wait_for(60s) == std::future_status::ready);  // it could still use what it holds
}
