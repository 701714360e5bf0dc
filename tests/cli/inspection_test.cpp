// SPDX-License-Identifier: Apache-2.0
#include "cli/inspection.hpp"

#include "catch.hpp"

using namespace firecaffe;

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
