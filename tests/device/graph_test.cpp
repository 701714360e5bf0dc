// SPDX-License-Identifier: Apache-2.0
// In which parts work is recorded, and in which order these are queued.
#include "firecaffe/device/graph.hpp"

#include <memory>
#include <stdexcept>

#include "catch.hpp"
#include "support/pretended_graph.hpp"

using namespace firecaffe;
using firecaffe::testing::PretendedGraph;

namespace {

struct Recording {
    std::string& log = PretendedGraph::log;
    WorkParts<PretendedGraph> parts;

    Recording() { PretendedGraph::forget(); }
};

}  // namespace

TEST_CASE_METHOD(Recording,
                 "work comes in the parts that are cut by what is outside, each with the graph that it had") {
    for (int turn = 0; turn < 2; ++turn) {
        log.clear();
        parts.run([&] {
            log += " a";
            parts.outside([&] { log += " wait"; });
            log += " b";
            CHECK(parts.outside([&] { return 7; }) == 7);
            log += " c";
        });
        CHECK(log == " begin1 a launch1 wait begin2 b launch2 begin3 c launch3");
    }
    log.clear();
    parts.run([&] { log += " d"; });
    CHECK(log == " begin1 d launch1");
}

TEST_CASE_METHOD(Recording, "where nothing is recorded, what is outside is only called") {
    parts.outside([&] { log += " alone"; });
    const auto moved = parts.outside([] { return std::make_unique<int>(3); });
    CHECK(*moved == 3);
    CHECK(log == " alone");
    log.clear();
    parts.run([&] {
        parts.outside([&] {
            log += " outer";
            parts.outside([&] { log += " inner"; });
        });
    });
    CHECK(log == " begin1 launch1 outer inner begin2 launch2");
}

TEST_CASE_METHOD(Recording, "an exception discards the part in which it is thrown, and the next work begins anew") {
    const auto fail = [] { throw std::runtime_error("given up"); };
    CHECK_THROWS_AS(parts.run([&] {
        parts.outside([] {});
        fail();
    }),
                    std::runtime_error);
    CHECK(log == " begin1 launch1 begin2 discard2");
    log.clear();
    CHECK_THROWS_AS(parts.run([&] { parts.outside(fail); }), std::runtime_error);
    CHECK(log == " begin1 launch1");  // nothing is recorded then
    log.clear();
    parts.outside([&] { log += " alone"; });
    parts.run([] {});
    CHECK(log == " alone begin1 launch1");
}
