// SPDX-License-Identifier: Apache-2.0
// After the first step a training loop allocates nothing on the thread that trains (what oneDNN does inside is its
// own).
#include "catch.hpp"

#include "backend_cpu/allocations.hpp"
#include "support/small_run.hpp"

using namespace firecaffe;
using firecaffe::testing::Allocations;
using firecaffe::testing::counting;
using firecaffe::testing::small_run;

namespace {

/// Counts what the training thread allocates between the reports of one step and another.
class Counting final : public TrainListener {
  public:
    Counting(std::int64_t from, std::int64_t to) : from_(from), to_(to) {}
    void on_step(const StepReport& r) override {
        if (r.iteration == from_) counting = &allocations;
        if (r.iteration == to_) counting = nullptr;
    }
    Allocations allocations;

  private:
    std::int64_t from_, to_;
};

template <class T>
long allocations_of(TrainOptions options, int workers = 1) {
    options.solver.display = 1;
    Counting listener(2, options.solver.max_iter - 1);
    TrainEnvironment<T, Cpu> environment;
    environment.listeners = {&listener};
    if (workers == 1)
        Trainer<T, Cpu>(options, environment).train();
    else
        train_in_threads<T, Cpu>(options, workers, environment);
    return listener.allocations.ours;
}

}  // namespace

TEST_CASE("no step after the first allocates") {
    CHECK(allocations_of<double>(small_run()) == 0);
    CHECK(allocations_of<float>(small_run()) == 0);
    TrainOptions clipped = small_run();
    clipped.solver.clip_gradients = 0.1;
    clipped.compute.threads = 2;
    CHECK(allocations_of<float>(clipped) == 0);
    CHECK(allocations_of<float>(small_run(), 2) == 0);
    TrainOptions late = small_run();
    late.reducer.overlap = false;
    late.solver.shards = 1;
    CHECK(allocations_of<float>(late) == 0);
    TrainOptions whole_parameters = small_run();
    whole_parameters.solver.type = SolverOptions::Type::lamb;
    CHECK(allocations_of<float>(whole_parameters) == 0);
    TrainOptions factors = small_run();
    factors.reducer.factors = FactorUse::always;
    for (const int workers : {2, 3}) CHECK(allocations_of<float>(factors, workers) == 0);
}
