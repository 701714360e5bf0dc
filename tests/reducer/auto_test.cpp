// SPDX-License-Identifier: Apache-2.0
// The reducer that chooses: its bits are those of the tree, and all ranks choose alike.
#include "catch.hpp"
#include "comm/partials.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/comm/collective/measure_network.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"

using namespace firecaffe;

TEST_CASE("auto gives the canonical sum for every length, and all ranks choose the same schemes") {
    for (const auto& group : {std::pair{2, 2}, {3, 3}, {4, 7}, {5, 3}}) {
        const int ranks = group.first, shards = group.second;
        CAPTURE(ranks, shards);
        std::vector<std::string> schemes(static_cast<std::size_t>(ranks));
        const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> transport) {
            const auto reducer = ReducerRegistry().make({.type = "auto"}, std::move(transport), shards);
            if (!reducer->canonical() || !reducer->exact()) throw InternalError("it is not canonical");
            if (!reducer->statistics().schemes.empty()) throw InternalError("it has chosen for nothing");
            for (const std::size_t count : {0u, 1u, 5u, 1000u, 70'001u, 1'000'000u, 5u}) {
                const auto data = make_shards<float>(shards, count);
                auto slots = make_slots(data, rank, ranks);
                const auto partials = pointers(slots);
                reducer->sum({.count = count, .partials = partials});
                if (!same_bits(slots[0], comm::canonical_sum(data))) throw InternalError("another sum of ", count);
            }
            schemes[static_cast<std::size_t>(rank)] = reducer->statistics().schemes;
            reducer->close();
        });
        for (const std::string& error : errors) REQUIRE(error == "");
        CHECK_FALSE(schemes[0].empty());
        for (const std::string& chosen : schemes) CHECK(chosen == schemes[0]);
    }
}

TEST_CASE("where something is rounded on the way, auto is always the same scheme") {
    const auto two = comm::make_thread_transports(2);
    const auto make = [&](const ReducerOptions& options) { return ReducerRegistry().make(options, two[0], 2); };
    CHECK(make({.type = "auto"})->name() == "auto");
    CHECK(make({.type = "auto", .wire = comm::WireType::bfloat16})->name() == "pipelined_tree");
    CHECK_FALSE(make({.type = "auto", .wire = comm::WireType::bfloat16})->canonical());
}

TEST_CASE("all ranks find the same network, and a single one none") {
    for (const int ranks : {2, 3}) {
        std::vector<comm::NetworkModel> found(static_cast<std::size_t>(ranks));
        const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> transport) {
            found[static_cast<std::size_t>(rank)] = comm::measure_network(*transport, {.long_enough = 0.001});
            transport->close();
        });
        for (const std::string& error : errors) REQUIRE(error == "");
        for (const comm::NetworkModel& network : found) {
            CHECK(network.link.alpha == found[0].link.alpha);
            CHECK(network.link.beta == found[0].link.beta);
            CHECK(network.gamma == found[0].gamma);
        }
        CHECK((found[0].link.alpha > 0 && found[0].link.alpha < 0.1));
        CHECK((found[0].link.beta > 1e-14 && found[0].link.beta < 1e-6));  // seconds per byte
        CHECK((found[0].gamma > 1e-13 && found[0].gamma < 1e-7));
        CHECK(found[0].ranks_per_host == 1);  // all on one host: one kind of link
    }
    const auto alone = comm::make_thread_transports(1);
    CHECK(comm::measure_network(*alone[0]).link.alpha == 0);
    CHECK_THROWS_AS(comm::measure_network(*alone[0], {.times = 0}), UsageError);
}
