// SPDX-License-Identifier: Apache-2.0
// Steps that are recorded have the bits of steps that are not: with several shards, and with several workers.
#include "catch.hpp"
#include "support/gpu.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

TrainOptions run_on_gpu(bool recorded) {
    TrainOptions o = small_run();
    o.compute.device = DeviceKind::cuda;
    o.compute.graph = recorded;
    o.solver.max_iter = 8;
    return o;
}

void same_bits(const TrainOptions& recorded, const TrainOptions& plain, int workers) {
    const TrainSummary one = train_in_threads<float, Cuda>(recorded, workers);
    const TrainSummary other = train_in_threads<float, Cuda>(plain, workers);
    CHECK(one.parameters_digest == other.parameters_digest);
    CHECK(one.train_loss == other.train_loss);
    CHECK(one.test_loss == other.test_loss);
}

}  // namespace

TEST_CASE("recorded steps of several shards have the bits of others", "[cuda]") {
    if (!has_gpu()) return;
    for (const int shards : {1, 3, 8}) {
        CAPTURE(shards);
        TrainOptions recorded = run_on_gpu(true), plain = run_on_gpu(false);
        recorded.solver.global_batch = plain.solver.global_batch = 24;
        recorded.solver.shards = plain.solver.shards = shards;
        same_bits(recorded, plain, 1);
    }
}

TEST_CASE("recorded steps of several workers have the bits of one", "[cuda]") {
    if (!has_gpu()) return;
    const std::string alone = train_in_threads<float, Cuda>(run_on_gpu(false), 1).parameters_digest;
    for (const bool overlap : {true, false}) {
        for (const int workers : {2, 3, 9}) {  // of nine, one has no shard
            CAPTURE(overlap, workers);
            TrainOptions options = run_on_gpu(true);
            options.reducer.overlap = overlap;
            CHECK(train_in_threads<float, Cuda>(options, workers).parameters_digest == alone);
        }
    }
}

TEST_CASE("what the host computes in the middle of a step is no part of a recording", "[cuda]") {
    if (!has_gpu()) return;
    TrainOptions recorded = run_on_gpu(true), plain = run_on_gpu(false);
    recorded.solver.clip_gradients = plain.solver.clip_gradients = 0.5;
    same_bits(recorded, plain, 1);
    same_bits(recorded, plain, 2);
    recorded = run_on_gpu(true), plain = run_on_gpu(false);
    recorded.reducer.period = plain.reducer.period = 3;  // workers update by themselves
    same_bits(recorded, plain, 2);
}
