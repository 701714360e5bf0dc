// SPDX-License-Identifier: Apache-2.0
// StaleExchange between threads: what the ranks are told when one of them hangs.
#include "catch.hpp"

#include <chrono>

#include "comm/ranks.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/sync/stale_exchange.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

TEST_CASE("all who wait for a worker that hangs name it, whoever serves and however far ahead they may be") {
    for (const std::int64_t staleness : {0, 1, 3}) {
        for (const std::int64_t servers : {0, 1, 2}) {
            CAPTURE(staleness, servers);
            constexpr int kRanks = 4, kHangs = 2;
            const auto errors = run_ranks(kRanks, 0.5, [&](int rank, std::shared_ptr<Transport> transport) {
                ReducerOptions options;
                options.type = kStaleServer;
                options.staleness = staleness;
                options.servers = servers;
                std::vector<float> values(100);
                StaleExchange<float, Cpu> exchange(transport, options, kRanks, values.size());
                for (auto turn = exchange.begin(values, 1000); turn;) {
                    if (rank == kHangs && turn->number >= 2 * kRanks) {
                        std::this_thread::sleep_for(std::chrono::milliseconds(1500));
                        transport->check({});  // throws: the others have given up
                        throw InternalError("nobody missed this rank");
                    }
                    transport->note_progress();
                    exchange.begin_update(values);
                    turn = exchange.push(values, {});
                }
                exchange.finish(values);
            });
            for (int rank = 0; rank < kRanks; ++rank) {
                CAPTURE(rank, errors[static_cast<std::size_t>(rank)]);
                CHECK(contains(errors[static_cast<std::size_t>(rank)], "rank 2 (host "));
            }
        }
    }
}

TEST_CASE("a stretch of a stale server counts each step once, and ends with equal values") {
    for (const std::int64_t staleness : {0, 2, -1}) {
        std::vector<std::vector<float>> ends(3);
        std::vector<std::int64_t> steps(3);
        const auto errors = run_ranks(3, 5, [&](int rank, std::shared_ptr<Transport> transport) {
            ReducerOptions options;
            options.staleness = staleness;
            options.updates = StaleUpdates::sum;
            const auto r = static_cast<std::size_t>(rank);
            std::vector<float>& values = ends[r];
            values.assign(50, 0.0f);
            StaleExchange<float, Cpu> exchange(transport, options, 3, values.size());
            for (const std::int64_t budget : {20, 7}) {  // two stretches
                for (auto turn = exchange.begin(values, budget); turn; ++steps[r]) {
                    exchange.begin_update(values);
                    for (float& value : values) value += 1.0f;
                    turn = exchange.push(values, {.loss = 3.0});
                }
                const StaleProgress end = exchange.finish(values);
                if (end.updates != budget || end.loss != 3.0 || end.stopped) throw InternalError("wrong progress");
            }
            std::int64_t counted = 0;
            for (const std::int64_t steps_of : exchange.lags()) counted += steps_of;
            if (counted != steps[r]) throw InternalError(counted, " of ", steps[r], " steps are in the table");
            transport->close();
        });
        CAPTURE(staleness);
        CHECK(errors == std::vector<std::string>{"", "", ""});
        CHECK(steps[0] + steps[1] + steps[2] == 27);
        for (const auto& end : ends) CHECK(end == std::vector<float>(50, 27.0f));
    }
}
