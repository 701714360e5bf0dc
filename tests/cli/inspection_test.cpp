// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include "catch.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/net/builder.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;

namespace {

/// A run of which nothing is opened.
TrainOptions run_of(const ReducerOptions& reducer) {
    TrainOptions options;
    options.data.train.type = DatasetOptions::Type::synthetic;
    options.data.train.shape = {1, 4, 4};
    options.data.train.count = 8;
    options.data.train.classes = 2;
    options.net = NetBuilder("one").inner_product("ip", {.num_output = 2}).softmax_with_loss().build();
    options.solver.global_batch = options.solver.shards = 4;
    options.solver.max_iter = 1;
    options.reducer = reducer;
    return options;
}

/// What inspections of one worker and of two say.
void refused(const ReducerOptions& reducer, const char* key, const char* what) {
    const TrainOptions options = run_of(reducer);
    for (const int workers : {1, 2}) CHECK_THROWS_WITH(cli::inspect(options, workers), Contains(key) && Contains(what));
    CHECK_THROWS_AS(cli::inspect_without_data(options), ConfigError);
}

}  // namespace

TEST_CASE("what no worker could do with factors is refused by an inspection") {
    for (const FactorUse use : {FactorUse::always, FactorUse::automatic}) {
        const char* const key = "/reducer/factors";
        cli::inspect(run_of({.factors = use}), 2);
        refused({.wire = comm::WireType::bfloat16, .factors = use}, key, "wire 'same'");
        refused({.codec = {.type = CodecOptions::Type::one_bit}, .factors = use}, key, "codec 'none'");
        refused({.period = 4, .factors = use}, key, "reducer.period 4");
        for (const char* const type : {"mpi", "nccl"}) refused({.type = type, .factors = use}, key, "cannot gather");
        refused({.type = kStaleServer, .factors = use}, key, "stale server");
    }
}

TEST_CASE("a run on GPUs is inspected as one, whether or not there is a GPU") {
    TrainOptions options = run_of({});
    options.compute.device = DeviceKind::cuda;
    for (const char* const type : {"auto", "tree", "local", "nccl", kStaleServer}) {
        options.reducer.type = type;
        CHECK_NOTHROW(cli::inspect(options));
    }
    options.reducer = {.type = "ring", .wire = comm::WireType::float16, .gpu = GpuSharing::ipc};
    CHECK_THROWS_WITH(cli::inspect(options, 2), Contains("/reducer/gpu: 'ipc' sums in the memory of GPUs"));
    options.reducer = {.type = "nccl"};
    try {
        cli::inspect(options, 2);  // where there are NCCL and a GPU
    } catch (const ConfigError& error) {
        CHECK_THAT(error.what(), !Contains("gradients are in the memory of the host"));
    }
}

TEST_CASE("a rate without a link is refused by an inspection") {
    const char* const key = "/reducer/link_mbit";
    cli::inspect(run_of({.link_mbit = 100}), 2);
    refused({.transport = comm::TransportKind::shared_memory, .link_mbit = 100}, key, "transport 'tcp' or 'auto'");
    refused({.link_mbit = -1}, key, "-1 megabits");
    refused({.link_mbit = 2e9}, key, "at most 1e+09");
}

TEST_CASE("a base rate that is scaled with the batch is printed with its factor") {
    SolverOptions solver;
    solver.base_lr = 0.1;
    solver.global_batch = 1024;
    CHECK(cli::base_rate_text(solver) == "base rate 0.1");
    solver.base_batch = 256;
    CHECK(cli::base_rate_text(solver) == "base rate 0.1");
    solver.lr_scaling = LrScaling::linear;
    CHECK(cli::base_rate_text(solver) == "base rate 0.4 (0.1 x 1024 / 256)");
    solver.lr_scaling = LrScaling::sqrt;
    CHECK(cli::base_rate_text(solver) == "base rate 0.2 (0.1 x sqrt(1024 / 256))");
}
