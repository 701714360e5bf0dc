// SPDX-License-Identifier: Apache-2.0
// A run of which the second half is made again from the checkpoint in its middle.
#pragma once

#include "catch.hpp"

#include <filesystem>

#include "firecaffe/train/trainer.hpp"
#include "model_io/scratch.hpp"

namespace firecaffe::testing {

/// Checks that 12 iterations with a checkpoint after 6 end alike without a directory, with one, and resumed at 6.
inline void check_resumed_run(TrainOptions options, int workers) {
    const auto run = [&](bool resume) {
        TrainEnvironment<float, Cpu> environment;
        environment.resume = resume;
        return train_in_threads<float, Cpu>(options, workers, environment);
    };
    options.solver.max_iter = 12;
    options.output.checkpoint_interval = 6;
    const std::string expected = run(false).parameters_digest;
    const Scratch scratch;
    options.output.directory = scratch.path().string();
    CHECK(run(false).parameters_digest == expected);
    REQUIRE(std::filesystem::remove_all(scratch / "checkpoints/iter_00000012") > 0);
    const TrainSummary resumed = run(true);
    CHECK(resumed.resumed_from == 6);
    CHECK(resumed.parameters_digest == expected);
}

}  // namespace firecaffe::testing
