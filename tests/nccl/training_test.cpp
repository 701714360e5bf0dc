// SPDX-License-Identifier: Apache-2.0
// Training with the reducer nccl over the fake library; ranks are threads. tests/process/nccl.py has processes.
#include "catch.hpp"
#include "fake_nccl.hpp"
#include "firecaffe/core/error.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::small_run;

namespace {

TrainSummary train(TrainOptions options, int workers) {
    ::setenv("FIRECAFFE_NCCL_LIBRARY", FAKE_NCCL_LIBRARY, 1);
    options.reducer.type = "nccl";
    return train_in_threads<float, Cpu>(options, workers);
}

}  // namespace

TEST_CASE("nccl: trained weights are close to those of one worker") {
    const TrainSummary one = train_in_threads<float, Cpu>(small_run(), 1);
    for (const int workers : {2, 3, 11}) {  // of which three have no shard
        INFO(workers << " workers");
        const TrainSummary other = train(small_run(), workers);
        CHECK(other.reducer == "nccl");
        CHECK(other.workers == workers);
        CHECK(other.train_loss == Approx(one.train_loss).epsilon(1e-2));
        CHECK(other.test_loss == Approx(one.test_loss).epsilon(1e-2));
    }
}

TEST_CASE("nccl: an error in the middle of a run ends the training with its cause") {
    const PlannedFaults faults("error:rank=1:call=20");
    CHECK_THROWS_AS(train(small_run(), 2), PeerLostError);
    CHECK_THROWS_WITH(train(small_run(), 2), Catch::Contains("rank 1 ") &&
                                                 Catch::Contains("a fault that was planned") &&
                                                 Catch::Contains("(all-reduce #20)"));
}
