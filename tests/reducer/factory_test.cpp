// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cmath>

#include "comm/partials.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "firecaffe/reducer/local.hpp"
#include "firecaffe/reducer/tree.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;

TEST_CASE("local: identity for one partial, the canonical tree for several") {
    const auto reducer = make_local_reducer();
    CHECK(reducer->canonical());
    CHECK(reducer->size() == 1);
    std::uint64_t bytes = 0;
    for (const int n : {1, 2, 3, 5, 8, 13}) {
        for (const std::size_t count : {0u, 1u, 7u, 1003u}) {
            auto parts = make_shards<double>(n, count);
            const auto expected = comm::canonical_sum(parts);
            const Ticket ticket =
                reducer->submit({.dtype = DType::float64, .count = count, .partials = pointers(parts)});
            reducer->wait(ticket);
            CHECK(same_bits(parts[0], expected));
            bytes += count * 8;
        }
    }
    CHECK(reducer->statistics().requests == 24);
    CHECK(reducer->statistics().bytes_reduced == bytes);
    CHECK(reducer->statistics().bytes_sent == 0);
    CHECK(reducer->statistics().busy_seconds > 0);
}

TEST_CASE("local: one partial sum on a GPU is a sum, which nobody touches") {
    const auto reducer = make_local_reducer_on_gpu();
    CHECK(reducer->on_gpu());
    CHECK(reducer->name() == "local");
    CHECK(reducer->canonical());
    alignas(float) std::byte place[4] = {};
    std::byte* const pointers[] = {place, place};
    const ReduceRequest much{.count = std::size_t{1} << 40, .partials = {pointers, 1}};
    reducer->wait(reducer->submit(much));
    CHECK(reducer->statistics().requests == 1);
    CHECK(reducer->statistics().schemes.empty());
    CHECK_THROWS_AS(reducer->submit({.count = 1, .partials = {}}), UsageError);
    if (cuda_devices().count() == 0)
        CHECK_THROWS_AS(reducer->submit({.count = 1, .partials = {pointers, 2}}), DeviceError);
}

TEST_CASE("local: bad calls are refused") {
    const auto reducer = make_local_reducer();
    std::byte* const null = nullptr;
    CHECK_THROWS_AS(reducer->submit({.count = 1, .partials = {}}), UsageError);
    CHECK_THROWS_AS(reducer->submit({.count = 1, .partials = {&null, 1}}), UsageError);
    CHECK_THROWS_AS(reducer->submit({.dtype = DType::uint8, .count = 0, .partials = {&null, 1}}), UsageError);
    CHECK_THROWS_AS(reducer->wait(1), UsageError);
    float values[2][6] = {};
    std::byte* const buffers[] = {reinterpret_cast<std::byte*>(values[0]), reinterpret_cast<std::byte*>(values[1])};
    const auto gather = [&](std::size_t count, std::size_t partials, int shards) {
        reducer->submit({.bucket = 4, .count = count, .partials = {buffers, partials}, .gathered_shards = shards});
    };
    gather(6, 1, 3);
    CHECK_THROWS_WITH(gather(6, 2, 3),
                      "bucket 4: 2 buffers of 6 elements for the parts of 3 shards; give one buffer, at "
                      "least one shard, and parts of one length");
    CHECK_THROWS_AS(gather(6, 1, 4), UsageError);
    CHECK_THROWS_AS(gather(6, 1, -3), UsageError);
    reducer->close();
    CHECK_THROWS_AS(reducer->submit({.count = 0, .partials = {&null, 1}}), UsageError);
}

TEST_CASE("the registry makes what the configuration names") {
    const ReducerRegistry registry;
    CHECK(registry.names() == std::vector<std::string>{"auto", "direct", "double_tree", "halving_doubling", "local",
                                                       "mpi", "nccl", "pipelined_tree", "recursive_doubling", "ring",
                                                       "sharded_server", "stale_server", "star", "tree", "two_level"});
    const auto make = [&](const char* type, std::shared_ptr<comm::Transport> transport) {
        return registry.make({.type = type}, std::move(transport), 8);
    };
    CHECK(make("auto", nullptr)->name() == "local");
    CHECK(make("local", nullptr)->name() == "local");
    CHECK(make("auto", comm::make_thread_transports(1)[0])->name() == "local");
    CHECK(make("tree", comm::make_thread_transports(1)[0])->name() == "tree");
    const auto reducer = make("auto", comm::make_thread_transports(3)[1]);
    CHECK(reducer->name() == "auto");
    CHECK(reducer->rank() == 1);
    CHECK(reducer->size() == 3);
    CHECK(reducer->canonical());
}

TEST_CASE("a rate that is none, that has no link or that another library cannot keep is refused") {
    const auto refused = [](const ReducerOptions& options, const std::string& what) {
        CHECK_THROWS_AS(ReducerRegistry().make(options, comm::make_thread_transports(2)[0], 2), ConfigError);
        CHECK_THROWS_WITH(ReducerRegistry().make(options, comm::make_thread_transports(2)[0], 2),
                          Contains("/reducer/link_mbit: ") && Contains(what));
    };
    CHECK(ReducerRegistry().make({.link_mbit = 1e9}, comm::make_thread_transports(2)[0], 2)->name() == "auto");
    for (const double rate : {-1.0, 2e9, std::nan("")}) refused({.link_mbit = rate}, "give 0, for what there is");
    refused({.transport = comm::TransportKind::shared_memory, .link_mbit = 8}, "use transport 'tcp' or 'auto'");
    refused({.type = "mpi", .link_mbit = 8}, "MPI moves gradients over connections of its own, which cannot be slowed");
    refused({.type = "nccl", .link_mbit = 8},
            "NCCL moves gradients over connections of its own, which cannot be slowed");
}

TEST_CASE("a chunk that is no size, or that another library would not heed, is refused") {
    for (const double size : {-1.0, 2e9, std::nan("")})
        CHECK_THROWS_WITH(ReducerRegistry().make({.chunk_kb = size}, nullptr, 1), Contains("/reducer/chunk_kb: "));
    for (const char* library : {"mpi", "nccl"})
        CHECK_THROWS_WITH(
            ReducerRegistry().make({.type = library, .chunk_kb = 64}, comm::make_thread_transports(2)[0], 2),
            Contains("/reducer/chunk_kb: ") && Contains("use a scheme of ours"));
}

TEST_CASE("the registry's errors name the cure") {
    ReducerRegistry registry;
    const auto two = comm::make_thread_transports(2);
    CHECK_THROWS_AS(registry.make({.type = "trea"}, nullptr, 1), ConfigError);
    CHECK_THROWS_WITH(registry.make({.type = "trea"}, nullptr, 1),
                      "/reducer/type: unknown reducer 'trea'; use one of auto, direct, double_tree, halving_doubling, "
                      "local, mpi, nccl, pipelined_tree, recursive_doubling, ring, sharded_server, stale_server, star, "
                      "tree, two_level");
    CHECK_THROWS_WITH(registry.make({.type = "local"}, two[0], 1),
                      "/reducer/type: 'local' sums within one worker, but there are 2; use 'auto' or 'tree', or start "
                      "one worker");
    CHECK(registry.make({.type = "tree"}, nullptr, 1)->name() == "local");  // one worker needs no tree
    CHECK_THROWS_AS(registry.make({}, nullptr, 0), UsageError);
    CHECK_THROWS_AS(registry.add("tree", [](auto&&...) { return make_local_reducer(); }), UsageError);
    CHECK_THROWS_AS(registry.add("", [](auto&&...) { return make_local_reducer(); }), UsageError);
    CHECK_THROWS_AS(registry.add("empty", nullptr), UsageError);
    registry.add("mine",
                 [](const ReducerOptions&, std::shared_ptr<comm::Transport>, int) { return make_local_reducer(); });
    CHECK(registry.make({.type = "mine"}, two[1], 4)->name() == "local");
    CHECK(ReducerRegistry().names().size() == 15);  // no registry knows of another
    CHECK_THROWS_AS(make_tree_reducer(nullptr, 1), UsageError);
    CHECK_THROWS_AS(make_tree_reducer(two[0], 0), UsageError);
    CHECK_THROWS_AS(make_planned_reducer(two[0], comm::Plan{}), UsageError);
}
