// SPDX-License-Identifier: Apache-2.0
// Everything that one run states, as option structs of the rooms. `config` reads it from JSON.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/data/options.hpp"
#include "firecaffe/net/spec.hpp"
#include "firecaffe/optim/options.hpp"
#include "firecaffe/reducer/options.hpp"

namespace firecaffe {

struct ComputeOptions {
    std::string device = "cpu";
    std::int64_t threads = 1;  ///< math threads of a worker: so many shards are in flight
};

struct OutputOptions {
    std::string directory;               ///< empty: nothing is written
    std::int64_t checkpoint_interval = 0;  ///< iterations between checkpoints; 0: none but the last
    std::int64_t keep = 3;               ///< checkpoints kept; 0: all
};

/// The `reducer`, `solver`, `net` and `data` parts must be equal on all ranks; `compute` and `output` may differ, but
/// for compute.threads where solver.shards follows from it (0).
struct TrainOptions {
    std::string name;
    DataOptions data;
    NetSpec net;
    SolverOptions solver;
    ReducerOptions reducer;
    ComputeOptions compute;
    OutputOptions output;
};

}  // namespace firecaffe
