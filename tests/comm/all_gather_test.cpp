// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>

#include "firecaffe/comm/collective/all_gather.hpp"
#include "firecaffe/comm/collective/executor.hpp"
#include "firecaffe/comm/collective/ring.hpp"
#include "firecaffe/comm/collective/schemes.hpp"
#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/collective/simulate.hpp"
#include "firecaffe/comm/collective/traffic.hpp"
#include "firecaffe/core/error.hpp"
#include "ranks.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

TEST_CASE("every rank ends with the parts of all shards, however many it brings itself") {
    for (const int ranks : {1, 2, 3, 5, 8})
        for (const int shards : {1, 2, 3, 7, 8, 24})
            for (const std::size_t each : {std::size_t{0}, std::size_t{1}, std::size_t{100}}) {
                CAPTURE(ranks, shards, each);
                const Plan plan = plan_all_gather(ranks, shards);
                const std::size_t count = each * static_cast<std::size_t>(shards);
                std::vector<std::vector<float>> values(static_cast<std::size_t>(ranks),
                                                       std::vector<float>(count, -1.0f));
                std::vector<float> all(count);
                for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<float>(i);
                const auto errors = run_ranks(ranks, 20, [&](int rank, std::shared_ptr<Transport> transport) {
                    std::vector<float>& mine = values[static_cast<std::size_t>(rank)];
                    const ShardBlock block = shard_block(rank, ranks, shards);
                    const std::size_t begin = each * static_cast<std::size_t>(block.begin);
                    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                each * static_cast<std::size_t>(block.size()),
                                mine.begin() + static_cast<std::ptrdiff_t>(begin));
                    auto* const slot = reinterpret_cast<std::byte*>(mine.data());
                    for (const std::size_t chunk_bytes : {std::size_t{60}, kWholeRequest})
                        Executor(*transport, {.chunk_bytes = chunk_bytes})
                            .run(plan, {&slot, 1}, count, DType::float32, {.sequence = 1});
                    transport->close();
                });
                for (const std::string& error : errors) REQUIRE(error == "");
                for (const auto& one : values) REQUIRE(one == all);
            }
}

TEST_CASE("an all-gather sends each part once to each other rank, and one message where blocks are of one size") {
    CHECK(busiest_elements(plan_all_gather(4, 8), 800) == 2 * 600);
    CHECK(plan_all_gather(4, 8).steps[0].size() == 2 * 3);
    CHECK(busiest_elements(plan_all_gather(1, 5), 800) == 0);
    // Shards 0 | 1, 2 of 3: rank 0 sends 1 and receives 2 of them, and rank 1 the other way round.
    CHECK(busiest_elements(plan_all_gather(2, 3), 300) == 300);
    // Of four ranks one has the only shard: it sends 3 times, and the others receive once.
    CHECK(busiest_elements(plan_all_gather(4, 1), 100) == 300);
    // In a ring of two each rank sends, receives and adds a half, then sends and receives one; who has two shards adds
    // these first.
    CHECK(busiest_elements(plan_ring(2, 2), 100) == 200);
    CHECK(most_handled(plan_ring(2, 2), 100) == 250);
    CHECK(most_handled(plan_ring(2, 3), 100) == 100 + 250);
    CHECK_THROWS_AS(plan_all_gather(0, 1), UsageError);
    CHECK_THROWS_AS(plan_all_gather(1, 0), UsageError);
}

TEST_CASE("the busiest rank of a scheme moves what its simulation moves") {
    constexpr std::size_t kCount = 840;
    for (const Scheme& scheme : schemes())
        for (const int ranks : {1, 2, 3, 4, 7, 8}) {
            CAPTURE(scheme.name, ranks);
            const Plan plan = scheme.plan(ranks, 8, {});
            const PlanReport report = simulate(plan, 8, kCount, DType::float32);
            std::uint64_t most = 0;
            for (std::size_t r = 0; r < report.bytes_sent.size(); ++r)
                most = std::max(most, report.bytes_sent[r] + report.bytes_received[r]);
            CHECK(busiest_elements(plan, kCount) * sizeof(float) == most);
        }
}
