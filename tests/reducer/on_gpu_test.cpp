// SPDX-License-Identifier: Apache-2.0
// Sums in the memory of GPUs: the same bits as on the host, whoever reads whose memory, and what is said of it. On a
// GPU that is pretended; on_gpu_cuda_test.cpp has a real one.
#include <algorithm>

#include "catch.hpp"

#include "comm_net/ranks.hpp"
#include "firecaffe/device/cuda.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "reducer/gpu_cases.hpp"
#include "reducer/of_others.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using comm::canonical_sum;
using comm::Transport;

TEST_CASE("sums on GPUs: every scheme has the host's bits, with memory that is lent and staged") {
    const auto mappings = std::make_shared<Mappings>();
    check_all(mappings, {1, 2, 3, 5, 8}, {0, 1, 7, 10007});
    CHECK(mappings->opened() > 0);
    CHECK(mappings->still_open() == 0);
    CHECK(mappings->freed_while_mapped() == 0);
}

TEST_CASE("sums on GPUs: the bits are those of the scheme, which are the canonical tree's only where it says so") {
    const auto data = make_shards<float>(4, 1001);
    for (const char* type : {"tree", "pipelined_tree", "double_tree"})
        for (const GpuSharing sharing : {GpuSharing::automatic, GpuSharing::staged}) {
            CAPTURE(type);
            const auto mappings = std::make_shared<Mappings>();
            const auto errors = run_ranks(4, 60, [&](int rank, std::shared_ptr<Transport> transport) {
                const ReducerOptions options{.type = type, .on_gpu = true};
                SchemeRun run = *find_scheme(options, *transport, 4);
                const auto reducer = make_reducer_on_gpu(std::move(transport), std::move(run), sharing,
                                                         std::make_unique<PretendedGpu>(mappings));
                const auto expected = expected_sum(options, *reducer, data);
                if (same_bits(expected, canonical_sum(data)) != reducer->canonical())
                    throw InternalError(type, " is canonical, or not, other than it says");
                check_sums(Gpu::pretended, *reducer, make_slots(data, rank, 4), expected, 2);
                reducer->close();
            });
            for (const std::string& error : errors) CHECK(error == "");
        }
}

TEST_CASE("sums on GPUs: several buckets under way; each arena is mapped once, and let go before it is freed") {
    const auto mappings = std::make_shared<Mappings>();
    Setting setting{.ranks = 4, .shards = 4, .count = 50000, .buckets = 8};
    setting.options.chunk_kb = 16;
    const auto words = check<float>(setting, mappings);
    for (const std::string& one : words) CHECK(one == "tree, in GPU memory shared with 3 ranks (CUDA IPC)");
    // To agree, each rank reads 3 others; then, in each of the three pairs of neighbours in the tree, both the arena of
    // the other.
    CHECK(mappings->opened() == 4 * 3 + 3 * 2);
    CHECK(mappings->still_open() == 0);
    CHECK(mappings->freed_while_mapped() == 0);
}

TEST_CASE("sums on GPUs: over sockets and shared memory between processes' transports") {
    for (const comm::Way& way : comm::every_way()) {
        CAPTURE(way);
        for (const GpuSharing sharing : {GpuSharing::ipc, GpuSharing::staged}) {
            const auto mappings = std::make_shared<Mappings>();
            const auto data = make_shards<float>(3, 30011);
            const auto outcomes = comm::run_ranks(comm::job_options(3, way), [&](Transport& transport) {
                const std::shared_ptr<Transport> borrowed(&transport, [](Transport*) {});
                ReducerOptions options{.type = "pipelined_tree", .chunk_kb = 8, .on_gpu = true};
                const auto reducer = make_reducer_on_gpu(borrowed, *find_scheme(options, transport, 3), sharing,
                                                         std::make_unique<PretendedGpu>(mappings));
                check_sums(Gpu::pretended, *reducer, make_slots(data, transport.rank(), 3), canonical_sum(data), 3);
                reducer->close();
            });
            for (const comm::Outcome& outcome : outcomes) CHECK(outcome.text == "");
            CHECK(mappings->still_open() == 0);
        }
    }
}

TEST_CASE("sums on GPUs: ranks of one host lend, others go through the host's memory, and it is said") {
    const auto words = check<float>({.ranks = 5, .shards = 5, .ranks_per_host = 2}, std::make_shared<Mappings>());
    for (std::size_t rank = 0; rank < 4; ++rank)
        CHECK(words[rank] ==
              "tree, in GPU memory shared with 1 ranks (CUDA IPC), through the host's memory to 3 ranks (on other "
              "hosts)");
    CHECK(words[4] == "tree, through the host's memory to 4 ranks (on other hosts)");
}

TEST_CASE("sums on GPUs: a GPU that shows nothing is gone round, for a reason that all ranks know") {
    Setting setting{.ranks = 3, .shards = 3, .refusing = 1};
    const auto words = check<float>(setting, std::make_shared<Mappings>());
    for (const std::string& one : words) {
        INFO(one);
        CHECK(contains(one, "through the host's memory to "));
        CHECK(contains(one, ": rank 1 on host0 does not read the memory of rank 0: it is not allowed here"));
    }
    CHECK(contains(words[0], "shared with 1 ranks"));
    CHECK_FALSE(contains(words[1], "shared"));

    setting.options.gpu = GpuSharing::staged;
    CHECK(contains(check<float>(setting, std::make_shared<Mappings>())[2],
                   "tree, through the host's memory to 2 ranks: rank 0 on host0 does not read the memory of rank 1: "
                   "reducer.gpu is 'staged'"));

    const auto errors = run_ranks(3, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        SchemeRun run = *find_scheme(setting.options, *transport, 3);
        const auto reducer = make_reducer_on_gpu(std::move(transport), std::move(run), GpuSharing::ipc,
                                                 gpu_of(setting, rank, std::make_shared<Mappings>()));
        const auto data = make_shards<float>(3, 10);
        check_sums(Gpu::pretended, *reducer, make_slots(data, rank, 3), canonical_sum(data));
    });
    for (const std::string& error : errors) {
        INFO(error);
        CHECK(contains(error, "reducer.gpu is 'ipc', but rank 1 on localhost does not read the memory of rank 0"));
        CHECK(contains(error, "use 'auto' or 'staged'"));
    }
}

TEST_CASE("sums on GPUs: an arena that is freed while peers have it mapped stays, and serves again") {
    const auto mappings = std::make_shared<Mappings>();
    const auto data = make_shards<float>(3, 100);
    const auto errors = run_ranks(3, 20, [&](int rank, std::shared_ptr<Transport> transport) {
        SchemeRun run = *find_scheme({.type = "ring", .on_gpu = true}, *transport, 3);
        const auto reducer = make_reducer_on_gpu(std::move(transport), std::move(run), GpuSharing::ipc,
                                                 std::make_unique<PretendedGpu>(mappings));
        Memory<Cuda> outlives = reducer->allocate_on_gpu(64);
        for (int step = 0; step < 3; ++step) {
            const GpuSlots<float> slots(Gpu::pretended, *reducer, make_slots(data, rank, 3));
            reducer->sum({.count = 100, .partials = slots.of(0)});
        }
        const Memory<Cuda> again = reducer->allocate_on_gpu(400);
        if (std::any_of(again.data(), again.data() + 400, [](std::byte b) { return b != std::byte{0}; }))
            throw InternalError("what served before is not zero");
        reducer->close();
    });
    for (const std::string& error : errors) CHECK(error == "");
    CHECK(mappings->opened() == 3 * 2 + 3);  // to agree, and each rank the arena of the one before it, once
    CHECK(mappings->still_open() == 0);
    CHECK(mappings->freed_while_mapped() == 0);
}

TEST_CASE("sums on GPUs: what is not in memory to be shown is refused, naming the cure") {
    const auto errors = run_ranks(2, 20, [&](int, std::shared_ptr<Transport> transport) {
        SchemeRun run = *find_scheme({.type = "tree", .on_gpu = true}, *transport, 2);
        const auto reducer = make_reducer_on_gpu(std::move(transport), std::move(run), GpuSharing::ipc,
                                                 std::make_unique<PretendedGpu>(std::make_shared<Mappings>()));
        std::vector<float> elsewhere(10);
        std::byte* const pointer = reinterpret_cast<std::byte*>(elsewhere.data());
        reducer->sum({.count = 10, .partials = {&pointer, 1}});
    });
    for (const std::string& error : errors) {
        INFO(error);
        CHECK(contains(error, "take it from Reducer::allocate_on_gpu()"));
    }
}

TEST_CASE("sums on GPUs: a lost rank is named, and nothing stays mapped") {
    const auto mappings = std::make_shared<Mappings>();
    check_lost_rank(mappings);
    CHECK(mappings->still_open() == 0);
    const auto silent = run_buckets(3, 0.3, mappings, [](int rank, Reducer&, int bucket) {
        if (rank == 2 && bucket == 1) std::this_thread::sleep_for(std::chrono::milliseconds(900));
    });
    for (const int rank : {0, 1}) CHECK(contains(silent[static_cast<std::size_t>(rank)], "rank 2 (host localhost"));
}

TEST_CASE("sums on GPUs: gathered parts come to all ranks") {
    for (const int ranks_per_host : {1, 3}) {
        const auto errors = run_ranks(3, 20, [&](int rank, std::shared_ptr<Transport> inner) {
            const auto transport = std::make_shared<OnHosts>(std::move(inner), ranks_per_host);
            const auto reducer = make_reducer_on_gpu(
                transport, *find_scheme({.type = "tree", .on_gpu = true}, *transport, 6), GpuSharing::automatic,
                std::make_unique<PretendedGpu>(std::make_shared<Mappings>()));
            std::vector<float> all(60), mine(60);
            for (std::size_t i = 0; i < 60; ++i) all[i] = static_cast<float>(i);
            const auto r = static_cast<std::size_t>(rank);
            std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(r * 20), 20,
                        mine.begin() + static_cast<std::ptrdiff_t>(r * 20));
            const GpuSlots<float> slots(Gpu::pretended, *reducer, {mine});
            reducer->sum({.count = 60, .partials = slots.of(0), .gathered_shards = 6});
            if (slots.sum(0) != all) throw InternalError("not all parts have come");
            reducer->close();
        });
        for (const std::string& error : errors) CHECK(error == "");
    }
}

TEST_CASE("sums on GPUs: reducers of the host's memory get copies") {
    for (const char* type : {"auto", "ring", "local"}) {
        CAPTURE(type);
        const int ranks = std::string(type) == "local" ? 1 : 3;
        const auto data = whole_numbers<float>(5, 1000);
        const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<Transport> transport) {
            auto host = ReducerRegistry().make({.type = type}, std::move(transport), 5);
            const int partials = OwnSum(rank, ranks, 5).partials();
            const auto reducer = make_staged_reducer(std::move(host), partials,
                                                     std::make_unique<PretendedGpu>(std::make_shared<Mappings>()));
            if (!reducer->on_gpu() || reducer->name() != type) throw InternalError("it is another one");
            check_sums(Gpu::pretended, *reducer, make_slots(data, rank, ranks), canonical_sum(data), 4);
            if (!contains(reducer->statistics().schemes, "on copies in the host's memory"))
                throw InternalError("it says ", reducer->statistics().schemes);
            reducer->close();
        });
        for (const std::string& error : errors) CHECK(error == "");
    }
}

TEST_CASE("sums on GPUs: without a GPU the registry says why") {
    if (cuda_devices().count() > 0) return;
    for (const char* type : {"local", "tree", "auto", "mpi", "nccl", kStaleServer}) {
        CAPTURE(type);
        try {
            ReducerRegistry().make({.type = type, .on_gpu = true}, nullptr, 4);
            FAIL("it was made");
        } catch (const DeviceError& error) {
            CHECK(contains(error.what(), cuda_devices().reason));
        }
    }
    CHECK_THROWS_WITH(
        ReducerRegistry().make({.type = kStaleServer, .wire = comm::WireType::float16, .on_gpu = true}, nullptr, 4),
        Catch::Matchers::Contains("leave wire 'same'"));
    const ReducerOptions narrow{
        .type = "tree", .wire = comm::WireType::bfloat16, .gpu = GpuSharing::ipc, .on_gpu = true};
    CHECK_THROWS_WITH(ReducerRegistry().make(narrow, comm::make_thread_transports(2)[0], 2),
                      Catch::Matchers::Contains("/reducer/gpu: 'ipc' sums in the memory of GPUs"));
}
